"""The words that prompts and responses are made of."""

from __future__ import annotations


def _words(text: str, between: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(between))


MONTHS = _words(
    "January February March April May June July August September October November December"
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
NAMES = _words(
    "Ada Ben Cleo Dana Emil Fay Gus Hana Ivo Jade Kurt Lena Milo Nora Otto Petra Quinn Rosa Sven "
    "Tara Ugo Vera Wim Xenia Yara Zeno"
)
PLACES_IN_ORDER = _words("first second third fourth fifth")
JOBS = _words(
    "baking cleaning cooking digging drawing fishing ironing knitting packing painting planting "
    "printing reading sewing shopping sorting sweeping typing washing writing"
)
HOBBIES = _words("chess golf tennis judo ballet poker rugby hockey sailing skiing")
FUNCTIONS = _words(
    "solve compute process evaluate handle answer apply work_out run_it derive inspect_input "
    "get_result"
)
SPELLING = _words(
    "banana library lantern harbour kettle orchard mirror battery carnival umbrella sapphire "
    "pineapple marmalade telescope mountain blanket corridor alphabet hammock elephant calendar "
    "cinnamon raspberry committee assembly necessary rhythm parallel occasion balloon millennium "
    "tomorrow accident succession bookkeeper possession terrace buffalo cathedral dinosaur "
    "engineer festival giraffe horizon island journal kangaroo lemonade magazine notebook octopus "
    "penguin quarter remember scissors treasure universe violin whisper yesterday zeppelin"
)

# For sentences about a place: "Often the quiet harbour rests near a bench at dawn."
PLACES = _words(
    "harbour garden market library bakery station museum village bridge theatre valley cottage "
    "castle workshop square lighthouse chapel meadow mill hotel park school barn forest "
    "beach tunnel tower farm port"
)
OPENERS = _words(
    "often usually today somehow perhaps now then still lately sometimes again truly oddly mostly"
)
ADJECTIVES = _words(
    "quiet bright old small busy calm narrow famous sunny empty grand lovely modest windy ancient "
    "colourful peaceful crowded charming tiny"
)
VERBS = _words(
    "rests|waits for spring|hums with voices|looks splendid|feels warm|draws many visitors|"
    "smells of rain|wakes slowly|shines|belongs to everyone|stays open|fills with people|"
    "seems unchanged|invites us in|glows|welcomes old friends|grows on you|surprises strangers",
    "|",
)
THINGS = _words(
    "lantern fountain bench statue garland fence clock ladder wagon barrel bicycle painting piano "
    "chimney staircase flag"
)
TIMES = _words(
    "at dawn|at noon|in winter|in summer|every morning|on holidays|before sunset|after midnight|"
    "in autumn|at night|each evening|all afternoon",
    "|",
)
LABELS = _words("Note Tip Fact Idea Step Point Hint Task")

CATEGORIES = {
    "animals": _words(
        "ant bear camel deer eagle fox goat horse iguana jackal koala lion mouse newt otter pig "
        "rabbit seal tiger wolf yak zebra elephant crocodile"
    ),
    "fruits": _words(
        "apple banana cherry date fig grape kiwi lemon mango nectarine orange papaya plum quince "
        "raspberry strawberry peach pear melon apricot blackberry"
    ),
    "colours": _words(
        "amber black crimson emerald gold indigo ivory lavender magenta navy olive pink red silver "
        "turquoise violet white yellow beige green"
    ),
    "tools": _words(
        "axe brush chisel drill file hammer knife level mallet pliers rake saw shovel spade trowel "
        "wrench screwdriver sandpaper"
    ),
    "instruments": _words(
        "accordion banjo cello drum flute guitar harp lute oboe piano recorder saxophone trumpet "
        "ukulele viola xylophone clarinet harmonica"
    ),
    "vegetables": _words(
        "asparagus beetroot carrot fennel garlic kale leek onion parsnip radish spinach turnip pea "
        "bean cabbage cauliflower celery cucumber"
    ),
}
