r"""What protected text looks like: one regular expression for each kind, and blocks of lines that are data or code.

Every repetition is bounded or anchored to a token's start, so that a text of one endless token takes linear time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion"
    "|trillion|dozen|half|twice|thrice"
)
_ORDINALS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|quarters?|double|triple"
    "|quadruple|thirds|fourths|fifths|once|pair|couple"
)
_UNITS = (
    r"hundred|thousand|million|billion|trillion|percent|per\scent|percentage|points?|dollars?|euros?|pounds?|pence|cents?"
    r"|yen|rupees?|francs?|[ap]\.?m\.?|o'clock|(?:k|c|m|d|µ|μ|n)?m[²³23]?|(?:m|c|d|µ|μ|h)?[lL]|(?:k|m|µ|μ)?g|tons?|tonnes?"
    r"|t|lbs?|oz|ounces?|stones?|(?:kilo|centi|milli|micro|nano)?(?:met(?:re|er)s?|lit(?:re|er)s?|grams?|grammes?|watts?"
    r"|volts?|joules?|hertz)|inch(?:es)?|in|ft|foot|feet|yards?|yd|miles?|mi|acres?|hectares?|ha|gallons?|pints?|cups?"
    r"|bars?|(?:k|M|h)?Pa|psi|atm|mmHg|(?:k|M|G|T)?Hz|(?:k|m|M|G)?[VWJNA]|(?:k|M|G)?Wh|k?cal|calories|mol|degrees?"
    r"|[°º]?[CFK]|dB|rpm|bpm|fps|dpi|px|pixels?|mph|km/h|m/s2?|[kmgtKMGT]i?[bB]|[kKMG]bit|bits?|bytes?|hours?|hrs?|h|minutes?|mins?"
    r"|seconds?|secs?|s|ms|days?|weeks?|months?|years?|yrs?|USD|EUR|GBP|JPY|CHF|CNY|INR"
)
_FILES = (
    "py|ipynb|js|ts|jsx|tsx|java|c|cc|cpp|h|hpp|cs|go|rs|rb|php|sh|bat|ps1|sql|swift|kt|txt|md|rst|csv|tsv|jsonl?|ya?ml"
    "|toml|ini|cfg|conf|log|xml|html?|css|docx?|xlsx?|pptx?|pdf|odt|png|jpe?g|gif|svg|webp|bmp|tiff?|mp[34]|wav|avi|mov"
    "|zip|tar|gz|exe|dll|so|db|sqlite"
)
_ELEMENTS = (
    "Li|Na|Mg|Cl|Sc|Cr|Mn|Fe|Cu|Zn|Ga|Ge|Br|Kr|Rb|Zr|Nb|Tc|Ru|Rh|Pd|Ag|Cd|Sn|Sb|Xe|Cs|Nd|Gd|Tb|Dy|Tm|Yb|Lu|Hf|Ir|Pt|Au|Hg|Tl|Pb"
    "|Bi|Rn|Np"
)
_COMMANDS = "docker|kubectl|git|pip3?|npm|npx|yarn|curl|wget|sudo|apt(?:-get)?|brew|cargo|ssh|scp|chmod|chown|tar|grep|sed|awk|python3?"
_REFERENCES = (
    r"chapter|section|part|book|act|scene|volume|vol\.|figure|fig\.|table|phase|type|grade|stage|class|level|appendix|article"
    r"|question|statement|problem|group|option|vitamin|hepatitis|influenza|team|room|gate|terminal|model|plan|version"
)

# Order matters: the first alternative that matches at a place names the span.
PATTERNS: dict[str, str] = {
    "code": r"```[\s\S]*?(?:```|\Z)|~~~[\s\S]*?(?:~~~|\Z)|`[^`\n]{1,1000}`"
    r"|(?m:^[ \t]{0,40}(?:(?:def|class|import|from|return|function|const|let|var|public|private|static|INSERT"
    r"|UPDATE|DELETE|CREATE|@\w+)\b[^\n]{0,400}[;:{}()=][ \t]*$|[^\n]{0,400};[ \t]*$"
    r"|#\s?(?:include|define|pragma|ifn?def|endif)\b[^\n]{0,300}$|[^\n{}]{0,300}\{[ \t]*$"
    # Statements of Python and its like, assignments, calls that stand alone.
    r"|(?:(?:for\b[^\n]{1,200}\bin\b|while\b|if\b|elif\b|with\b|except\b|match\b|case\b)[^\n]{0,300}|else|try|finally|do):[ \t]*$"
    r"|(?:raise|return|assert|yield|del|break|continue|pass|print|echo|import)\b(?=[^\n]{0,200}[(=)\]'\"\d]|[ \t]*$"
    r"|[ \t]+(?:[A-Z]\w*|[a-z_]\w{0,30})[ \t]*$)[^\n]{0,300}$"
    r"|[A-Za-z_][\w.\[\]'\"]{0,60}[ \t]?(?:[-+*/%|&]?=|:=)(?!=)[ \t]?\S[^\n]{0,300}$"
    r"|[A-Za-z_][\w.]{0,60}\([^\n]{0,300}\)[ \t]*;?[ \t]*$|[{}\])][,;)]{0,3}[ \t]*$"
    # SQL: clauses written large; small only where one follows another. Tables of bars, shell prompts.
    r"|(?:FROM|WHERE|JOIN|LEFT JOIN|INNER JOIN|GROUP BY|ORDER BY|HAVING|LIMIT|VALUES|SET|UNION)\b[^\n]{0,300}$"
    r"|select\s[^\n]{1,300}\sfrom\s\w+[^\n]{0,40}?\s(?:where|order by|group by|limit|join|inner|left)\b[^\n]{0,300}$"
    r"|(?i:insert into|delete from|create table|drop table|alter table|update\s\w+\sset)\s[^\n]{1,400}$"
    r"|\|[^\n]{0,600}\|[ \t]*$|[^\n|]{1,200}\|[^\n|]{0,200}\|[^\n]{0,300}$|[|+:-][-=+|: ]{4,300}$|[$#%>]\s(?=[a-z./~])[^\n]{1,300}$))"
    r"|\bSELECT\b[^;\n]{1,400}(?:\n(?=[A-Z]{2}|[ \t]{2})[^;\n]{1,300}){0,12};?"
    # Commands with flags; patterns of regular expressions; calls and signatures.
    rf"|(?<![\w-])(?:{_COMMANDS})(?:[ \t]+[\w./:@=+]{{1,100}}){{0,4}}?"
    r"(?:[ \t]+--?[A-Za-z][\w=./:-]{0,80}(?:[ \t]+[\w./:@=+]{0,60}[\d./:@=][\w./:@=+]{0,60})?){1,12}"
    r"(?:[ \t]+[\w./:@=+]{1,100}(?:[ \t]+(?:bash|sh)(?!\w))?)?"
    r"|(?<!\S)[^\s\[\]]{0,40}\[[^\]\s]{1,40}\][+*?{]\S{0,60}"
    r"|(?<![\w.])[A-Za-z_][\w.]{0,60}\((?:[^()\n]|\([^()\n]{0,200}\)){0,300}\)(?:[ \t]?->[ \t]?[A-Za-z_][\w.\[\]|]{0,60})?",
    "chat": r"<\|[^|<>\n]{1,80}\|>(?:(?:system|user|assistant|tool|developer|ipython)(?=\s))?|\[/?INST\]|<</?SYS>>|</?s>"
    r"|<(?:start|end)_of_turn>(?:user|model)?"
    r"|(?m:^[ \t]{0,8}(?:#{1,6}[ \t])?(?:\*\*)?[A-ZÀ-ÞА-ЯΑ-Ω][\w'’.-]{0,30}(?:[ \t][A-ZÀ-ÞА-ЯΑ-Ω\d][\w'’.-]{0,20}){0,3}(?:\*\*)?[ \t]?:(?=\s|$))",
    "placeholder": r"\{\{[^{}\n]{0,200}\}\}|\$\{[^{}\n]{1,200}\}|\{[^{}\n]{0,200}\}|%\(\w{1,60}\)[sdifrx]"
    r"|(?<![\d%])%[sdifrx](?!\w)|\$[A-Za-z_]\w{0,60}|\[\[[^\[\]\n]{1,200}\]\]|<<[^<>\n]{1,200}>>"
    r"|\[[A-Za-zÀ-ÿ][\w '’/-]{0,60}\](?!\()|%[A-Z_]{2,40}%|(?<!_)_{2,40}|(?<!\w)_(?!\w)|\[\s{0,4}\]|(?<!\.)\.{4,40}",
    "url": r"(?:https?|ftp|file|mailto|s3|gs)://?[^\s<>\"'\])}]{1,4000}|(?<![\w.])www\.[^\s<>\"'\])}]{1,4000}"
    r"|(?<!\w)data:[\w/+.-]{1,80}[;,][^\s\"')]{1,100000}"
    r"|(?<![\w@.-])(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:com|org|net|io|ai|dev|edu|gov|co|uk|de|fr|eu|info|app)"
    r"(?![\w-])(?:/[^\s<>\"'\])}]{0,4000})?|(?<![\w/])(?:~|\.{1,2})?(?:/[\w.@+-]{1,200}){2,100}/?"
    r"|(?<!\w)[A-Za-z]:\\[^\s<>\"]{1,400}|\\\\[\w.-]{1,60}\\[^\s<>\"]{1,400}"
    rf"|(?<![\w/.-])[\w-]{{1,80}}(?:[./][\w-]{{1,80}}){{0,20}}\.(?:{_FILES})(?!\w)|(?<![\w/])(?:~|\.{{1,2}})/[\w./@+-]{{1,200}}"
    r"|(?<!\S)/[a-z][\w.-]{1,60}/?(?!\S)",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    "tag": r"</?[A-Za-z!][^<>\n]{0,300}>|&(?:[A-Za-z]{2,12}|\#\d{1,7});",
    "math": r"\$\$[^$]{1,2000}\$\$|\\\[[^\]]{1,2000}?\\\]|\\\([^)]{1,1000}?\\\)|\\begin\{\w{1,20}\*?\}[\s\S]{0,2000}?\\end\{\w{1,20}\*?\}"
    r"|\$(?=[^$\n]{0,300}[\\^_={}+*/<>])(?!\s)[^$\n]{1,400}(?<!\s)\$|\$[A-Za-z](?:\s?,\s?[A-Za-z]){0,5}\$"
    r"|\\[A-Za-z]{1,30}\*?(?:\[[^\]\n]{0,60}\])?(?:\{(?:[^{}\n]|\{[^{}\n]{0,200}\}){0,300}\}){0,4}"
    # Terms joined by operators, and what has an exponent or an index.
    r"|(?<![\w.])[-+−±√(]?\w[\w.()]{0,20}(?:\s?(?:[=≠≤≥≈×÷·∙^∈∪∩⊂→⇒∧∨¬]|[<>=!-]=|[-=]>|(?<=\s)[-−+*/<>](?=\s)|(?<=[\w)])[+*<>](?=[\w(]))\s?[-+−±√(]?[\w.()!]{1,20}"
    r"){1,40}(?!\w)|[²³⁴ⁿ₀-₉∑∏∫√∞∂∇≠≤≥≈±×÷∈∉⊂∪∩∀∃∧∨¬→⇒⇔]",
    "handle": r"(?<!\w)[@#][^\W\d]\w{0,100}",
    "json": r"\"(?:[^\"\\\n]|\\.){0,300}\"[ \t]{0,4}:(?:[ \t]{0,4}\"(?:[^\"\\\n]|\\.){0,2000}\")?",
    "option": r"(?m:^[ \t]{0,40}(?:\(?[A-Ja-j]\)|[A-J]\.|\(?\d{1,2}\))[ \t]+\S[^\n]{0,1000}$)",
    "number": rf"(?i:(?<!\w){_MONTH}\s\d{{1,4}}(?:st|nd|rd|th)?(?:,?\s\d{{4}})?(?!\w)"
    rf"|(?<!\w)\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?!\w)(?:,?\s\d{{4}})?"
    rf"|(?<!\w)(?:{_REFERENCES})\s(?:[ivxlcdm]{{1,7}}|[b-hj-z])(?!\w))"
    r"|(?:[$€£¥₹₩]\s?|(?<!\w)[-−+±](?=[.\d]))?(?<!\w)\.?(?=\w{0,60}\d)\w+(?:[.,:/'’–-]\w{0,60}\d\w{0,60}){0,40}"
    rf"(?:\s?(?:[%‰$€£¥₹₩]|[°º][CFK]?)|[- \u00a0](?:{_UNITS})(?:\s?/\s?(?:{_UNITS}))?(?!\w))?|[½⅓⅔¼¾⅛]"
    rf"|(?<!\w)(?:{_UNITS})/(?:{_UNITS})(?!\w)",
    "number_word": rf"(?i:(?<!\w)(?:{_NUMBER_WORDS}|{_ORDINALS})(?!\w)|(?<!\w)(?:mon|tues|wednes|thurs|fri|satur|sun)days?(?!\w))"
    r"|(?<!\w)(?:January|February|March|April|June|July|August|September|October|November|December)(?!\w)",
    "negation": "",  # made from data/negations.json
    "identifier": r"(?<!\w)(?:(?=\w{0,80}_\w)\w+|\w{0,40}[a-z][A-Z]\w{0,40}|(?=[A-Za-z]{3,8}(?!\w))[A-Z]{2,3}[a-z]{1,2}[A-Za-z]{0,4})"
    r"|(?<![\w-])--?[A-Za-z][\w-]{0,80}(?=[\s=]|$)"
    # Names of one letter: of quantities, options, people under test.
    r"|(?<![\w'’])[B-HJ-NP-Zb-df-hj-np-xz](?:['’](?!\w))?(?![\w'’]|\.\w)|(?<=[=+*/^<>(|])[aAIOeoiyE](?=[=+*/^<>)|,])"
    r"|(?<=[a-z,] )A(?![\w'’])|(?<![\w'’])A(?=,\s?[B-Z](?!\w)|\s(?:and|or|to|with|versus|vs\.?)\s[B-Z](?!\w))"
    # Symbols of elements that are no words of a European language.
    rf"|(?<![\w'’.-])(?:{_ELEMENTS})(?![\w'’-])",
    "acronym": r"(?<!\w)(?:[A-ZÀ-ÖØ-ÞА-ЯΑ-Ω]{2,12}s?|(?:[A-Z]\.){2,12})(?!\w)",
}


@cache
def pattern(allow: tuple[str, ...]) -> re.Pattern[str]:
    """All kinds but the allowed ones in one expression; ``lastgroup`` of a match is its kind."""
    patterns = {**PATTERNS, "negation": _negation_pattern()}
    return re.compile("|".join(f"(?P<{kind}>{p})" for kind, p in patterns.items() if kind not in allow))


# --- negations and numbers in words -------------------------------------------------------------------------


@cache
def _negation_pattern() -> str:
    """Words that deny, of thirty languages; in Turkish and Korean also the endings of verbs that do."""
    held = json.loads(
        files("robusttest.perturbations").joinpath("data", "negations.json").read_text(encoding="utf-8")
    )

    def joined(kind: str) -> str:
        return "|".join(
            sorted({w for line in held[kind].values() for w in line.split()}, key=lambda w: (-len(w), w))
        )

    korean = r"(?<![가-힣])[가-힣]{0,8}(?:않|없|못하|아니)[가-힣]{0,8}"
    endings = r"[ae]d[ıi](?:m|n|k|lar|ler)?|[ae]z(?:lar|ler)?|[iıuü]yor\w{0,6}|[ae]y[ae]c[ae]k\w{0,4}|[ae]m[ıi]ş\w{0,4}"
    turkish = rf"(?<!\w)(?=\w{{2,20}}[çğışöü]|\w{{4,24}}(?<=d[iı])|\w{{4,24}})\w{{2,16}}m(?:{endings})(?!\w)"
    return rf"(?i:(?<![\w'’])(?:{joined('words')})(?!\w)|(?<!\w)\w{{1,12}}n['’`´]t(?!\w))|{korean}|{turkish}|{joined('anywhere')}"


@cache
def _negation() -> re.Pattern[str]:
    return re.compile(_negation_pattern())


@cache
def _plain_negations() -> frozenset[str]:
    held = json.loads(
        files("robusttest.perturbations").joinpath("data", "negations.json").read_text(encoding="utf-8")
    )
    return frozenset(word for line in held["words"].values() for word in line.split() if word.isascii())


def denies(word: str, language: str) -> bool:
    """Whether one word is a negation; quick for letters of ASCII, which most typos make."""
    if word.isascii() and language != "tr":
        return word.lower() in _plain_negations()
    return bool(negations(word))


_TOKEN = re.compile(r"\w+")
_TURKISH = re.compile(r"m(?:[ae][dzy]|[iu]yor)")


@cache
def _telling() -> frozenset[str]:
    return _plain_negations().union(_NUMBER_WORDS.split("|"))


def plain(text: str) -> bool:
    """Whether surely none of its words denies or counts; where False is said, the patterns tell."""
    if not text.isascii() or "'" in text or "`" in text:
        return False
    small = text.lower()
    return _telling().isdisjoint(_TOKEN.findall(small)) and not _TURKISH.search(small)


def negations(text: str) -> list[str]:
    """The words of the text that deny, as they stand."""
    return [] if plain(text) else [m[0] for m in _negation().finditer(text)]


@cache
def _number_word() -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<!\w)(?:{_NUMBER_WORDS})(?!\w)")


def number_words(text: str) -> list[str]:
    """English cardinal numbers in words, in small letters; a paraphrase may say "first"."""
    return [] if plain(text) else [m[0].lower() for m in _number_word().finditer(text)]


# --- lines that are data ------------------------------------------------------------------------------------

_CSV_LINE = re.compile(r"[^,;\t\n]{0,80}(?:([,;\t])(?! )[^,;\t\n]{0,80}){1,40}\Z")
_YAML_LINE = re.compile(r"[ \t]{0,40}(?:- )?[a-z_][\w.-]{0,40}:(?: \S.{0,80})?\Z")
_YAML_ITEM = re.compile(r"[ \t]{1,40}- \S.{0,80}\Z")
_INDENTED = re.compile(r"(?: {4}|\t)\s{0,40}\S")


def blocks(text: str) -> Iterator[tuple[int, int]]:
    """Runs of lines that are data or code by how they follow each other: CSV, YAML, an indented block."""
    lines: list[tuple[int, int]] = []
    kinds: list[str] = []
    at = 0
    for line in text.split("\n"):
        lines.append((at, at + len(line)))
        kinds.append(_kind_of_line(line))
        at += len(line) + 1
    i = 0
    while i < len(lines):
        j = i
        while (
            j < len(lines)
            and kinds[j]
            and (kinds[j] == kinds[i] or (kinds[i] == "yaml" and kinds[j] == "item"))
        ):
            j += 1
        run = kinds[i:j]
        if len(run) >= 2 and kinds[i] != "item" and (kinds[i] != "yaml" or run.count("yaml") >= 2):
            yield lines[i][0], lines[j - 1][1]
        i = max(j, i + 1)


def _kind_of_line(line: str) -> str:
    if len(line) > 400 or not line.strip():
        return ""
    if _YAML_LINE.match(line):
        return "yaml"
    if _YAML_ITEM.match(line):
        return "item"
    if (m := _CSV_LINE.match(line)) and m[1] and line.count(" ") <= 2 * line.count(m[1]):
        return f"csv{m[1]}{line.count(m[1])}"
    return "indented" if _INDENTED.match(line) else ""
