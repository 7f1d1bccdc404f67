import random
import subprocess
import sys
import zipfile

import pytest
from _corpus_check import HOPELESS, NASTY, check

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.words import wndb, wordnet

# (words, pos, antonyms: word of this synset → word of another), enough to be read as a database
SYNSETS = [
    ("late", "a", {"early": "early"}),
    ("early ahead_of_time", "a", {}),
    ("big large", "a", {}),
    ("happy", "a", {"unhappy": "unhappy"}),
    ("unhappy", "a", {}),
    ("car auto automobile", "n", {}),
    ("box Box case", "n", {}),
    ("refund", "n", {}),
    ("buy purchase", "v", {"sell": "sell"}),
    ("sell", "v", {}),
    ("refund return", "v", {}),
    ("amulet talisman", "n", {}),
    ("thug hoodlum", "n", {}),
    ("attorney lawyer", "n", {}),
    ("maybe perhaps", "r", {}),
    ("usually normally", "r", {}),
    ("seller vendor trafficker", "n", {}),
    ("run scat", "v", {}),
    ("run tally", "n", {}),
    ("quickly rapidly speedily", "r", {"slowly": "slowly"}),
    ("slowly", "r", {}),
]
LICENCE = "  1 This stands for the licence at the top of each file.\n"


def write(folder):
    """The files of a tiny database in WordNet's own format."""
    first = {words.split()[0]: (i, pos) for i, (words, pos, _) in enumerate(SYNSETS)}
    for letter, name in wndb.POS.items():
        own = [i for i, (_, pos, _) in enumerate(SYNSETS) if pos == letter]

        def line(i, offsets):
            words, pos, antonyms = SYNSETS[i]
            listed = words.split()
            pointers = [
                f"! {offsets.get(first[other][0], 0):08d} {first[other][1]} 0101"
                for other in antonyms.values()
            ]
            words_part = " ".join(f"{w} 0" for w in listed)
            return f"{offsets.get(i, 0):08d} 00 {pos} {len(listed):02x} {words_part} {len(pointers):03d} {' '.join(pointers)} | gloss\n"

        at, offsets = len(LICENCE), {}
        for i in own:
            offsets[i] = at
            at += len(line(i, {}))
        (folder / f"data.{name}").write_text(LICENCE + "".join(line(i, offsets) for i in own))
        senses = {}
        for i in own:
            for w in SYNSETS[i][0].split():
                senses.setdefault(w.lower(), []).append(offsets[i])
        index = "".join(
            f"{w} {letter} {len(o)} 1 ! {len(o)} {len(o)} {' '.join(f'{x:08d}' for x in o)}  \n"
            for w, o in sorted(senses.items())
        )
        (folder / f"index.{name}").write_text(LICENCE + index)
    (folder / "verb.exc").write_text("bought buy\nsold sell\n")
    return folder


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return write(tmp_path_factory.mktemp("wn"))


@pytest.fixture(autouse=True)
def _here(database, monkeypatch):
    monkeypatch.setenv("ROBUSTTEST_WORDNET", str(database))


def run(p, text, seed=0):
    out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), 0)
    return out if isinstance(out, NotApplicable) else out.case.input


def test_the_files_are_read(database):
    wn = wndb.load(database)
    assert [(pos, lemma) for pos, lemma, _ in wn.meanings("boxes")] == [("n", "box")]
    assert [(pos, lemma) for pos, lemma, _ in wn.meanings("refund")] == [("n", "refund"), ("v", "refund")]
    assert wn.antonyms("late", "a") == ["early"]
    assert wn.lemma("boxes", "n") == "box"
    assert wn.lemma("bought", "v") == "buy"
    assert wn.lemma("nonsense", "n") is None
    assert wn.part_of_speech("cars") == ("n", "car")
    assert wn.part_of_speech("refund") is None  # as often a noun as a verb
    for word in ("", "a", "zzz", "ça", "1"):
        assert wn.part_of_speech(word) is None
    assert all(wn.offsets(w.lower(), pos)[0] for words, pos, _ in SYNSETS for w in words.split())


def test_synonyms_take_the_form_and_capitals_of_the_word():
    assert run(wordnet.synonym(1.0), "Maybe two thugs came") == "Perhaps two hoodlums came"
    assert run(wordnet.synonym(1.0), "an amulet came") == "a talisman came"


@pytest.mark.parametrize(
    "text",
    [
        "a quick run",  # two senses, two parts of speech
        "one good refund",  # a noun as well as a verb
        "the seller of it",  # its synonym here was read, and is none
        "we bought it",  # an inflection that is not regular
        "the power of an attorney",
        "a big car",  # "automobile" is far rarer
    ],
)
def test_a_word_that_may_mean_something_else_has_no_synonym(text, monkeypatch):
    known = wordnet.frequencies("en")
    monkeypatch.setattr(wordnet, "frequencies", lambda _: {**known, "vendor": 0})
    wordnet._engine.cache_clear()
    assert isinstance(run(wordnet.synonym(1.0), text), NotApplicable)
    wordnet._engine.cache_clear()


def test_antonyms_turn_round_and_mend_the_article():
    assert run(wordnet.antonym(1.0), "a happy man came late") == "an unhappy man came early"
    assert run(wordnet.antonym(1.0), "An unhappy one") != ""
    assert wordnet.antonym().preserves == "alters"
    assert wordnet.synonym().preserves == "probably"


def test_names_and_unknown_words_are_left():
    assert isinstance(run(wordnet.synonym(1.0), "my friend Car said nonsense"), NotApplicable)
    assert "knows an antonym" in run(wordnet.antonym(), "the table").reason


def test_an_irregular_form_is_not_made_up():
    assert wordnet.inflect_like("purchased", "purchase", "buy", "v") is None
    assert wordnet.inflect_like("purchased", "purchase", "order", "v") == "ordered"
    assert wordnet.inflect_like("buys", "buy", "purchase", "v") == "purchases"
    assert wordnet.inflect_like("stopping", "stop", "halt", "v") == "halting"
    assert wordnet.inflect_like("halted", "halt", "stop", "v") == "stopped"
    assert wordnet.inflect_like("cities", "city", "box", "n") == "boxes"
    assert wordnet.inflect_like("mice", "mouse", "rat", "n") is None


@pytest.mark.parametrize("make", [wordnet.synonym, wordnet.antonym])
@pytest.mark.parametrize(
    "text", [*NASTY, *HOPELESS, "A happy, late buy of big cars (quickly) for $5, {late} `car`."]
)
def test_the_promises_hold_on_nasty_texts(make, text):
    for i in range(4):
        check(make(0.5), text, index=i, seed=i)


def test_target_and_protected_words_stay():
    draft = Draft(
        case=Case(id="c", fields={"input": "late and happy and big"}, target="late"), protect=("big",)
    )
    for make in (wordnet.antonym, wordnet.synonym):
        out = make(1.0).apply(draft, random.Random(0), 0)
        assert isinstance(out, NotApplicable) or out.case.input == "late and unhappy and big"


def test_severity_is_the_share_of_words_that_can_change():
    text = " ".join(["late big happy"] * 4)
    assert run(wordnet.antonym(0.5), text).split().count("early") in (1, 2, 3, 4)
    case = Case(id="c", fields={"input": "Maybe a thug had an amulet."})
    made = wordnet.synonym(0.4).apply(Draft(case=case), random.Random(0), 0)
    assert made.realised in (1 / 3, 2 / 3)
    assert sum(w in made.case.input for w in ("Perhaps", "hoodlum", "talisman")) == 3 * made.realised


def test_a_word_is_replaced_throughout_or_not_at_all():
    text = "A thug came. No thug had an amulet; the Thug Life is a film."
    assert run(wordnet.synonym(1.0), text) == text.replace("an amulet", "a talisman")
    assert run(wordnet.synonym(1.0), "The thug saw a thug.") == "The hoodlum saw a hoodlum."


def test_a_word_that_an_answer_has_stands():
    fields = {"input": "Who had the amulet, the thug or the man?"}
    case = Case(id="c", fields=fields, target="the thug", choices=("the thug", "the man"))
    out = wordnet.synonym(0.5).apply(Draft(case=case), random.Random(0), 0)
    assert out.case.input == "Who had the talisman, the thug or the man?"


def test_nltks_zip_is_read(database, tmp_path, monkeypatch):
    monkeypatch.delenv("ROBUSTTEST_WORDNET")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    (tmp_path / "corpora").mkdir()
    with zipfile.ZipFile(tmp_path / "corpora/wordnet.zip", "w") as archive:
        for file in database.iterdir():
            archive.write(file, f"wordnet/{file.name}")
    if wndb.locate().suffix == ".zip":  # unless this machine has WordNet installed
        assert run(wordnet.antonym(1.0), "late") == "early"
    assert wndb.load(tmp_path / "corpora/wordnet.zip").antonyms("late", "a") == ["early"]


def test_a_missing_wordnet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUSTTEST_WORDNET", str(tmp_path))
    with pytest.raises(UsageError, match=r"apt install wordnet-base.*nltk.downloader wordnet"):
        wordnet.synonym()


@pytest.mark.parametrize("name", ["index.verb", "data.adj"])
def test_a_missing_file_is_named(name, database, tmp_path):
    for file in database.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match=name):
        wndb.load(tmp_path)


def test_broken_files_are_told_not_guessed(database, tmp_path):
    for file in database.iterdir():
        text = file.read_text()
        (tmp_path / file.name).write_text(text.replace(" a ", " ") if file.name == "index.adj" else text)
    with pytest.raises(UsageError, match="broken line"):
        wndb.load(tmp_path).offsets("late", "a")
    with pytest.raises(UsageError, match="no synset at 3"):
        wndb.load(database).synset("a", 3)


def test_nltk_is_not_needed():
    """Also where nlpaug, which would take it, finds it installed."""
    code = (
        "import random, sys; sys.modules['nltk'] = None\n"
        "from robusttest.core.nouns import Case, Draft\n"
        "from robusttest.perturbations.words import wordnet\n"
        "case = Case(id='a', fields={'input': 'an amulet'})\n"
        "made = wordnet.synonym(1.0).apply(Draft(case=case), random.Random(0), 0)\n"
        "print(made.case.fields['input'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["a", "talisman"]
