"use strict";
// Browsers that do not open a closed item by its link are helped.
function open() {
  const body = document.getElementById(location.hash.slice(1));
  const item = body && body.closest("details");
  if (item && !item.open) {
    item.open = true;
    body.scrollIntoView();
  }
}
addEventListener("hashchange", open);
open();
