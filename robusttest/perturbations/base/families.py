"""The built-in families under their names. Imported by the registry when the first name is asked for."""

from __future__ import annotations

from robusttest.perturbations.base.catalog import PERTURBATIONS, Factory
from robusttest.perturbations.chars import lines, noise, surface, unicode
from robusttest.perturbations.notation import amounts, dates, structures
from robusttest.perturbations.prompt import (
    as_data,
    conversation,
    decoding,
    edges,
    instruction,
    layout,
    prompt,
)
from robusttest.perturbations.tools import described, faults, tools
from robusttest.perturbations.words import (
    context,
    dialects,
    informal,
    mail,
    meaning,
    pairs,
    persons,
    places,
    wordnet,
    words,
    words_random,
)
from robusttest.perturbations.written import rewrite, transformer

BUILT_IN: dict[str, Factory] = {
    # characters
    "keyboard": noise.keyboard,
    "ocr": noise.ocr,
    "insert": noise.insert,
    "substitute": noise.substitute,
    "swap": noise.swap,
    "delete": noise.delete,
    "spelling": noise.spelling,
    "split": noise.split,
    "casing": surface.casing,
    "whitespace": surface.whitespace,
    "punctuation": surface.punctuation,
    "doubled": surface.doubled,
    "missing_space": surface.missing_space,
    "line_wrap": lines.line_wrap,
    "line_ends": lines.line_ends,
    "acronyms": surface.acronyms,
    "confusables": unicode.confusables,
    "zero_width": unicode.zero_width,
    "normal_form": unicode.normal_form,
    "full_width": unicode.full_width,
    # words
    "contractions": words.contractions,
    "numbers": words.numbers,
    "spelling_variant": words.spelling_variant,
    "fillers": informal.fillers,
    "slang": informal.slang,
    "speech": informal.speech,
    "homophones": informal.homophones,
    "dialect": dialects.dialect,
    "persons": persons.persons,
    "gender": persons.gender,
    "places": places.places,
    "religions": places.religions,
    # the same value in another notation
    "dates": dates.dates,
    "times": dates.times,
    "amounts": amounts.amounts,
    "currency": amounts.currency,
    "units": amounts.units,
    "json_keys": structures.json_keys,
    "word_swap": words_random.word_swap,
    "word_delete": words_random.word_delete,
    "word_crop": words_random.word_crop,
    "reserved": words_random.reserved,
    "tfidf": words_random.tfidf,
    "synonym": wordnet.synonym,
    "antonym": wordnet.antonym,
    "negation": meaning.negation,
    "contextual": transformer.contextual,
    # sentence and context
    "distractor": context.distractor,
    "numeric_distractor": context.numeric_distractor,
    "mail": mail.mail,
    "emoji": context.emoji,
    "politeness": context.politeness,
    "url": context.url,
    "statement": context.statement,
    "sentence_order": context.sentence_order,
    "document_order": structures.document_order,
    # written by people
    "counterpart": pairs.counterpart,
    # written by a model
    "paraphrase": rewrite.paraphrase,
    "style": rewrite.style,
    "back_translation": rewrite.back_translation,
    "translation": rewrite.translation,
    "machine_translation": transformer.machine_translation,
    # the prompt around the case
    "template": prompt.template,
    "instruction": instruction.instruction,
    "instruction_paraphrase": instruction.instruction_paraphrase,
    "instructions": prompt.instructions,
    "system": prompt.system,
    "demos": prompt.demos,
    "demo_order": prompt.demo_order,
    "filler_turns": conversation.filler_turns,
    "turn_split": conversation.turn_split,
    "correction": conversation.correction,
    "language_switch": conversation.language_switch,
    "prompt_edges": edges.prompt_edges,
    "option_order": prompt.option_order,
    "option_position": prompt.option_position,
    "option_labels": layout.option_labels,
    "format": layout.format_,
    "rendering": as_data.rendering,
    # the tools that it offers
    "tool_order": tools.tool_order,
    "tool_decoy": tools.tool_decoy,
    "tool_duplicate": tools.tool_duplicate,
    "tool_description": described.tool_description,
    "tool_rename": tools.tool_rename,
    "tool_schema": tools.tool_schema,
    "tool_fault": faults.tool_fault,
    # decoding
    "repeat": decoding.repeat,
    "temperature": decoding.temperature,
    "top_p": decoding.top_p,
    "sampling_seed": decoding.sampling_seed,
}

for _name, _factory in BUILT_IN.items():
    PERTURBATIONS.register(_name)(_factory)
