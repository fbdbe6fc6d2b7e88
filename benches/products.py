"""A product list in JSON, of any length: the same bytes for the same length, always.

What repeats in it is what repeats in such answers: keys, categories, brands, the beginnings of
addresses. Names, texts, prices, identifiers and times differ from product to product.
"""

import json
import random
import uuid

ADJECTIVES = """
    adjustable aluminium antique bamboo basic black blue brass breathable bright brushed classic
    compact copper cordless cotton curved deep double durable elegant enamel extra felt fine foldable
    glass green grey heavy insulated large leather light linen long low magnetic maple matt merino
    mini modern modular narrow natural non-slip oak oiled organic outdoor oval padded pine plain
    portable quiet quilted recycled red reversible round rustic short silent single slim small smooth
    soft solid stackable stainless steel stone straight striped tall thick thin tiled traditional
    walnut warm washable waterproof white wide wireless wooden woollen woven
""".split()
NOUNS = """
    apron backpack basket bench blanket board bottle bowl box brush bucket cabinet candle carafe carpet
    chair chest clock coat colander cup curtain cushion desk doormat dresser drill duvet fan fork frame
    funnel glove grater hammer hanger hook jacket jar jug kettle knife ladder ladle lamp lantern
    mattress mirror mug napkin notebook opener oven pan pillow pitcher planter plate pot rack rake
    rug saw scale scarf screwdriver shade shelf shovel sofa spade spoon stand stool suitcase table
    teapot thermos toaster towel tray trolley umbrella vase wallet wardrobe whisk
""".split()
# The commonest first: a word's chance falls with its place, as it does in any language.
WORDS = """
    the and a of with for to in is from it that your or can on made by be as at are this its you
    one two not which into all has so when up than without after more
""".split() + """
    easy clean hand set size use room home wood colour surface kitchen care water cloth design handle
    every day side weight available part keeps fits place comes base finish dry inside simple small
    large table strong light frame steel cotton oven safe wash dishwasher garden cover
    edge wall height screws assembly required included year guarantee keeping stays food cold hot
    evenly through held needs little space away corner bedroom hallway balcony floor feet protect
    scratches moisture sun rain winter summer wipe damp gently cool iron degrees colours similar
    together pair series matching piece order separately delivery parts spare tools minutes people
    children adult hold kilograms litres centimetres thick wide long deep tall measured between
    under above behind open closed lid drawer door hinge wheel lock button switch battery hours charge
    cable plug bulb warm soft bright dimmed reading sleeping working travel carry bag pocket strap zip
    lined filling down feather washable removable spun woven knitted dyed natural untreated oiled
    varnished painted brushed polished hammered cast pressed folded cut sewn finished workshop family
    generation forest certified recycled bottles fibres share packaging plastic free cardboard returned
    shape round corners narrow stable balance grip slip firmly quiet motor speed power sharp blade
    stainless rust resists acid stains smell taste neutral baking frying boiling serving pouring
    drip spout measure mark scale lasts decades repaired replaced new old classic modern line clear
    form reduced material honest look texture grain each unique differs slightly picture shown
""".split()
WEIGHTS = [1 / (place + 4) for place in range(len(WORDS))]
BRANDS = """
    Aldermoor Birkholm Castellan Dunmere Elmstead Fjordlys Grauwald Hartlund Ivermark Jannik Kestrel
    Lindqvist Marlowe Northfell Oakhurst Pellwood Quarry Rosengren Silverbeck Tannhof Ulvsund
    Vandermeer Westerby Yarrow
""".split()
CATEGORIES = {
    "Kitchen": ["Cookware", "Tableware", "Knives", "Storage", "Appliances"],
    "Living": ["Furniture", "Lighting", "Textiles", "Decoration"],
    "Bedroom": ["Bedding", "Mattresses", "Wardrobes"],
    "Garden": ["Furniture", "Tools", "Planters"],
    "Workshop": ["Hand tools", "Power tools", "Fittings"],
    "Travel": ["Luggage", "Bags", "Accessories"],
}
COLOURS = "anthracite black blue brown copper cream green grey natural red sand white".split()
SEED = 20240229


def product_list(length):
    """A whole JSON document of exactly `length` bytes."""
    chance = random.Random(SEED)
    head, tail = '{"page":1,"sort":"relevance","items":[', "]}"
    room = length - len(head) - len(tail)
    items = []
    while True:
        item = product(chance, 100_000 + 7 * len(items) + chance.randrange(7))
        text = spelt(item)
        # The last one takes what is left: its description is cut, or goes on, to the byte.
        if room < 2 * len(text):
            break
        items.append(text)
        room -= len(text) + 1
    item["description"] = ""
    left = room - len(spelt(item))
    item["description"] = sentences(chance, left)[:left]
    items.append(spelt(item))
    made = (head + ",".join(items) + tail).encode("ascii")
    if len(made) != length or not json.loads(made):
        raise ValueError(f"no product list is {length} bytes long")
    return made


def spelt(item):
    return json.dumps(item, separators=(",", ":"))


def product(chance, number):
    adjectives, noun = chance.sample(ADJECTIVES, chance.randint(1, 2)), chance.choice(NOUNS)
    name = " ".join([*adjectives, noun]).capitalize()
    slug = "-".join([*adjectives, noun])
    section = chance.choice(list(CATEGORIES))
    brand, colour = chance.choice(BRANDS), chance.choice(COLOURS)
    price = chance.randint(390, 49_900)
    picture = f"{chance.getrandbits(64):016x}"
    reviews = int(chance.expovariate(1 / 60))
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "number": number,
        "sku": f"{brand[:3].upper()}-{chance.getrandbits(20):05X}-{chance.randint(1, 99):02d}",
        "name": f"{brand} {name}",
        "brand": brand,
        "category": {"section": section, "name": chance.choice(CATEGORIES[section])},
        "description": sentences(chance, chance.randint(120, 420)),
        "price": {"amount": f"{price // 100}.{price % 100:02d}", "currency": "EUR", "tax_included": True},
        "stock": chance.randint(0, 250),
        "rating": None if reviews < 3 else round(chance.uniform(2.6, 5), 1),
        "reviews": reviews,
        "attributes": {
            "colour": colour,
            "weight_g": chance.randint(40, 18_000),
            "size_mm": [chance.randint(20, 2_000) for _ in range(3)],
        },
        "tags": sorted({section.lower(), colour, noun, *adjectives}),
        "url": f"https://shop.example.com/products/{slug}-{number}",
        "images": [f"https://images.example.com/p/{picture[:2]}/{picture}-{size}.jpg" for size in (320, 1280)],
        "created_at": moment(chance, 2019, 2023),
        "updated_at": moment(chance, 2024, 2025),
    }


def moment(chance, first, last):
    day = (chance.randint(first, last), chance.randint(1, 12), chance.randint(1, 28))
    time = (chance.randint(0, 23), chance.randint(0, 59), chance.randint(0, 59))
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z".format(*day, *time)


def sentences(chance, length):
    """Sentences of `length` characters or a few more."""
    text = []
    while sum(len(sentence) + 1 for sentence in text) <= length:
        words = chance.choices(WORDS, WEIGHTS, k=chance.randint(5, 14))
        text.append(" ".join(words).capitalize() + ".")
    return " ".join(text)
