"""Which of the options that an answer names it claims, and which it denies.

An option is claimed by a cue ('the answer is', 'I choose', '... is correct'), by standing first or
alone in a sentence, and is denied by words before or behind it in the same clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pixfoundation.choice_parsing.mentions import Mention

_I = re.IGNORECASE
_FILL = (
    r"(?:(?:option|choice|letter|answer|definitely|clearly|obviously|indeed|therefore|thus|simply"
    r"|likely|probably|certainly|most|actually|just|only|the|as|that|number|labell?ed|marked|it"
    r"|is|with|should be|would be|correct|right|best|one|be|like|in fact)\b|[\s:,'\"(\[{=>-])*+"
)
_IS = (
    r"(?:is|are|was|were|'s|'re|(?:would|should|must|will|might|may|could|has to|ought to|seems to"
    r"|appears to) be)"
)
_ANSWER_WORDS = (
    r"(?:answer|choice|selection|pick|solution|response|conclusion|verdict|prediction|option|letter"
    r"|guess|bet|vote|ans|respuesta|réponse|antwort|resposta|risposta|ответ)"
)
_ANSWER_CUE = re.compile(
    rf"(?:\b{_ANSWER_WORDS}s?\b(?:\s*\([^()]*\))?(?:\s+(?:to|for|of)\s+(?:the|this|your)\s+question"
    r"|\s+(?:here|letter|option|choice|that (?:best )?(?:fits|matches|describes"
    r"|applies)\b[^.,;]{0,30}))*"
    rf"\s*(?:{_IS}\b|(?<=ans)\.|\bes\b|\best\b|\bist\b|\bé\b|\bè\b|correcta es\b|[:=]|->|→|⇒|-|–"
    rf"|—|\n)"
    r"|答案(?:是|为|:)?|选择?项?|正解は|答えは|정답은)\s*"
    rf"{_FILL}\Z",
    _I,
)
_FINAL = re.compile(r"\bfinal (?:answer|choice|decision)\b|\bin conclusion\b", _I)
_VERB_CUE = re.compile(
    r"(?:\b(?:i|we|i'd|i'll|i'm|we'd|i would|i will|let's|let me|must|should|to|can|would|will"
    r"|therefore|so|thus|and)\s+(?:\w+ly\s+|would\s+|will\s+|am\s+|therefore\s+|have\s+|also\s+)*"
    r"(?:choose|choosing|chose|pick|picked|picking|select|selected|selecting|go(?:ing)? (?:with"
    r"|for)"
    r"|went with|opt(?:ing)? for|say|guess|vote for|prefer|settle on|conclude|answer|think|believe"
    r"|stick with|mean)|^\W*(?:choose|choosing|select|selected|picked|pick|my guess|my choice)"
    rf"|\bmy (?:guess|pick|vote|choice)(?:\s+{_IS})?)\s*{_FILL}\Z",
    _I,
)
_COPULA_CUE = re.compile(
    r"\b(?:it|this|that|they|these|which|one)"
    r"(?:\s+(?:is|are|was|were|must be|should be|will be|has to be|would be|seems to be"
    r"|appears to be"
    r"|looks|seems|appears|corresponds? to|match(?:es)?|means)|'s|'re)"
    rf"\s+{_FILL}\Z",
    _I,
)
_HENCE_CUE = re.compile(
    r"(?:\b(?:so|thus|hence|therefore|ergo|accordingly|consequently|i\.e\.|namely|that is)\b\W*"
    rf"|(?:->|→|⇒|=>|∴)\s*){_FILL}\Z",
    _I,
)
_MATCH_CUE = re.compile(
    r"\b(?:correspond(?:s|ing)? to|match(?:es|ing)|which is|mak(?:es|ing)|support(?:s|ing)?"
    rf"|point(?:s|ing)? to|indicat(?:es|ing)|in favou?r of)\s+{_FILL}\Z",
    _I,
)
_BUT_CUE = re.compile(rf"\b(?:not|n't|neither)\b.*\bbut(?:\s+rather)?\s+{_FILL}\Z", _I)
_LEFT_CUES = (_ANSWER_CUE, _VERB_CUE, _COPULA_CUE, _HENCE_CUE, _BUT_CUE)

_GOOD = (
    r"(?:correct|right|best|true|better|accurate|appropriate|suitable|valid|answer|choice|option"
    r"|fitting|match|final|proper|one|it)"
)
_RIGHT_CUE = re.compile(
    rf"[\"')\]]*\s*(?:(?:{_IS}|seems|looks|appears)\s+(?:(?:\w+ly|indeed|thus|also|to be"
    rf"|therefore)\s+)*"
    rf"(?:the\s+|my\s+|a\s+)?(?:only\s+|most\s+|one\s+)?{_GOOD}\b|,?\s*it is\b(?=\W*(?:$|\n))"
    r"|(?:fits|describes|matches)\b|[-–—,:]?\s*\(?(?:correct|right)\b\)?(?=\W*(?:$|\n))"
    r"|\s*(?:が|是)?正[解确])",
    _I,
)
_BECAUSE = re.compile(
    r"[\"')\]]*\s*(?:[-–—,;:.]\s*)?(?:\(?\s*)(?:because|since|as\b|for\b|given|due|my\b|i\b|based"
    r"|it\b|and not\b"
    r"|the\b|there\b|they\b|these\b|this\b|that\b|with\b|but\b|rather\b|instead\b|not\b|\Z)",
    _I,
)
_CLAUSE = re.compile(
    r"[,;:.!?—–\n(]|\b(?:but|so|because|since|therefore|thus|hence|while|whereas|although|though"
    r"|however)\b|\band (?:i|we|it|therefore|so|choose|pick|select|the answer|thus)\b",
    _I,
)
_END_OF_PREDICATE = re.compile(rf"{_CLAUSE.pattern}|\band\b", _I)
_DENIED_LEFT = re.compile(
    r"\b(?:not|never|neither|nor|cannot|without|no longer|no|rather than|instead of|as opposed to"
    r"|than|except(?: for)?|exclud\w+|eliminat\w+|rul\w+ out|reject\w*|dismiss\w*|discard\w*"
    r"|against"
    r"|unlike|wrong|incorrect|other than|avoid\w*|unlikely|isn t|doubt|contradict\w*|hardly"
    r"|impossible|false that|untrue)\b|n't\b",
    _I,
)
_NOT_ONLY = re.compile(r"\b(?:no doubt|not only|without (?:a )?doubt|not sure|not certain)\b", _I)
_DENIED_RIGHT = re.compile(
    r"[\"')\]]*\s*(?:\w+\s+){0,4}?(?:not\b|\w+n't\b|cannot\b|wrong\b|incorrect\b|false\b|untrue\b"
    r"|impossible\b|unlikely\b|eliminated\b|excluded\b|ruled out\b|invalid\b|inaccurate\b|never\b)",
    _I,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|suppose|assuming|whether|(?:you|one|some|someone|people|many|they|it)"
    r" (?:might|may|could|would) (?:think|say|assume|argue|have)|at first|initially|originally"
    r"|used to|instead of being|had it|were it)\b",
    _I,
)
_HYPOTHETICAL_BEHIND = re.compile(
    r"[^.!?\n]{0,60}?(?:\bunless\b|\bif (?!i\b|you\b|we\b|my\b|any\b))|[\"')\]]*,? or (?:not"
    r"|is it)\b",
    _I,
)
_WOULD = re.compile(r"\bwould (?!be\b|say\b|choose\b|pick\b|go\b|select\b)", _I)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n|;\s")
_OPENING = re.compile(
    r"\W*(?:(?:well|ok|okay|sure|yes|hmm+|um|uh|certainly|of course|no doubt|without (?:a )?doubt"
    r"|i think|i believe|i guess|i'd say"
    r"|probably|maybe|perhaps|likely|definitely|clearly|obviously|option|choice|letter|answer|the"
    r"|it's"
    r"|is|assistant|final|correct|right|best|my|most|looking at (?:the|this) (?:image|picture"
    r"|photo))\b"
    r"(?:'s)?\W*)*\Z",
    _I,
)


@dataclass(frozen=True, slots=True)
class Stance:
    """What an answer says about one mention of an option.

    Attributes:
        mention: The mention.
        claimed: Whether it is claimed.
        denied: Whether it is denied.
        open: Whether it is neither, but would count if no other option is named.
        stands_first: Whether it is claimed only by standing at the beginning of a line or sentence.
    """

    mention: Mention
    claimed: bool = False
    denied: bool = False
    open: bool = False
    stands_first: bool = False


def stances(text: str, mentions: Sequence[Mention]) -> list[Stance]:
    """Return the stance of a text to each mention."""
    listed = _enumerated(text, mentions)
    results = [_stance(text, mention, index in listed) for index, mention in enumerate(mentions)]
    heads = {s.mention.letter for s in results if s.stands_first and s.mention.by_letter}
    if len(heads) > 1:  # a walk through the options, line by line
        results = [Stance(s.mention, denied=s.denied) if s.stands_first else s for s in results]
    return results


def after_final_cue(text: str) -> str:
    """Return the text from its last 'final answer' on; the whole text without one."""
    cues = list(_FINAL.finditer(text))
    return text[cues[-1].start() :] if cues else text


def _stance(text: str, mention: Mention, listed: bool) -> Stance:
    begin, end = _sentence(text, mention)
    left, right = text[begin : mention.start], text[mention.end : end]
    question = text[end : end + 1] == "?" and bool(left.strip() or right.strip())
    quoted = _is_quoted(text, mention, begin, end)
    if _denies(left, right):
        return Stance(mention, denied=True)
    main = re.split(r"\bbut\b", left, flags=_I)[-1]
    if question or quoted or _HYPOTHETICAL.search(main) or _HYPOTHETICAL_BEHIND.match(right):
        return Stance(mention)
    if listed:
        return Stance(mention)
    is_letter = mention.by_letter
    if any(cue.search(left) for cue in _LEFT_CUES) or (is_letter and _MATCH_CUE.search(left)):
        if is_letter and mention.is_plain_word and not mention.is_marked and right.strip(" '\")"):
            return Stance(mention)  # 'the answer is a door'
        return Stance(mention, claimed=True)
    if is_letter and not mention.is_plain_word and _RIGHT_CUE.match(right):
        return Stance(mention, claimed=True)
    if mention.by_text and not is_letter and _RIGHT_CUE.match(right) and not left.strip():
        return Stance(mention, claimed=True)
    if _stands_alone(mention, left, right, text, end):
        return Stance(mention, claimed=True, stands_first=True)
    if _WOULD.search(left):
        return Stance(mention)
    is_quoted_alone = '"' in text[max(0, mention.start - 1) : mention.start]
    return Stance(
        mention, open=mention.by_text and not mention.is_plain_word and not is_quoted_alone
    )


def _stands_alone(mention: Mention, left: str, right: str, text: str, end: int) -> bool:
    """Whether a mention is all of its sentence, or leads it in the way of an answer."""
    if not _OPENING.match(left):
        return False
    rest = right.strip(" \t\"')]},-–—:.")
    if not rest:
        return not (mention.is_plain_word and mention.by_letter and not mention.is_marked and left)
    if not mention.by_letter:
        leads = re.match(r"\s*[,:;.]|\s*[-–—]\s", right) is not None
        return leads and (mention.is_plain_word or len(left.strip()) == 0)
    if mention.is_marked and re.match(r"\s*\S|[.:,;]", right):
        return mention.by_text or _marks_answer(mention, right)
    return not mention.is_plain_word and (
        _BECAUSE.match(right) is not None or re.match(r"\s*[,;:–—]|\s-", right) is not None
    )


def _marks_answer(mention: Mention, right: str) -> bool:
    """Whether what follows a marked letter reads as an explanation, not as its predicate."""
    if re.match(r"\s*[.,:;–—-]", right):
        return True
    return _BECAUSE.match(right) is not None or re.match(r"\s+[A-Z]", right) is not None


def _sentence(text: str, mention: Mention) -> tuple[int, int]:
    """Return the characters of the sentence around a mention."""
    begin = 0
    for stop in _SENTENCE_END.finditer(text, max(0, mention.start - 400), mention.start):
        if not _is_abbreviation(text, stop.start()):
            begin = stop.end()
    begin = max(begin, mention.start - 400)
    for stop in _SENTENCE_END.finditer(text, mention.end, min(len(text), mention.end + 400)):
        if not _is_abbreviation(text, stop.start()):
            return begin, stop.start()
    return begin, min(len(text), mention.end + 400)


def _is_abbreviation(text: str, at: int) -> bool:
    """Whether a full stop belongs to a letter or an abbreviation: 'A. Open', 'i.e. B'."""
    if text[at] != ".":
        return False
    before = re.search(
        r"(?:\b(?:i\.e|e\.g|vs|ans|opt|approx|etc)|(?<!\w)[A-Za-z])\Z",
        text[max(0, at - 6) : at],
        _I,
    )
    if before is None or len(before[0]) > 1:
        return before is not None
    return re.match(r"\.[ \t]+\S", text[at : at + 20]) is not None and _leads_line(text, at)


def _leads_line(text: str, at: int) -> bool:
    """Whether a single letter with a full stop stands at the beginning of its line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return len(line.strip(" ([*")) == 1


def _denies(left: str, right: str) -> bool:
    clauses = list(_CLAUSE.finditer(left))
    clause = left[clauses[-1].end() :] if clauses else left
    before = clauses[-1][0] if clauses else ""
    if before in ("(", ",") and not clause.strip(" '\""):
        earlier = left[clauses[-2].end() : clauses[-1].start()] if len(clauses) > 1 else left
        clause = (
            earlier if re.search(r"(?:\bnot|n't|\bnor|than|of|out)\W*\Z", earlier, _I) else clause
        )
    if _DENIED_LEFT.search(_NOT_ONLY.sub("", clause)):
        return True
    behind = right.lstrip(" )\"'")
    if stop := _END_OF_PREDICATE.search(behind):
        behind = behind[: stop.start()]
    return (
        _DENIED_RIGHT.match(behind) is not None
        and not _NOT_ONLY.search(behind)
        and not re.match(r"\s*(?:and not|rather than|instead of|not)\b", behind, _I)
    )


def _is_quoted(text: str, mention: Mention, begin: int, end: int) -> bool:
    """Whether a mention stands in double quotes together with other words."""
    for match in re.finditer(r'"([^"\n]*)"', text[begin:end]):
        low, high = begin + match.start(1), begin + match.end(1)
        if low <= mention.start and mention.end <= high:
            return bool((text[low : mention.start] + text[mention.end : high]).strip(" .,'()"))
    return False


_JOINT = re.compile(
    r"[\s'\"]*(?:,|/|&|\+|,?\s*\b(?:and|or|nor|and/or|versus|vs\.?|to|as well as)\b)[\s'\"]*"
    r"(?:option |choice |letter |also |maybe |possibly |perhaps |either |the )*['\"]?\Z",
    _I,
)
_LISTING = re.compile(r"[\s.,;|]*(?:or\s+|and\s+)?\Z", _I)


def _enumerated(text: str, mentions: Sequence[Mention]) -> set[int]:
    """Return the indices of mentions that are joined with another option: 'A or B', '(a), (b)'."""
    joined: set[int] = set()
    for index, (first, second) in enumerate(pairwise(mentions)):
        between = text[first.end : second.start]
        if first.letter == second.letter and first.letter:
            continue
        is_list = (
            first.by_letter and second.by_letter and first.by_text and second.by_text
            and _LISTING.match(between) is not None
        )  # fmt: skip
        if is_list or (
            _JOINT.match(between) is not None
            and first.by_letter == second.by_letter
            and not _has_predicate(text[second.end : second.end + 60])
        ):
            joined |= {index, index + 1}
    return joined


def _has_predicate(behind: str) -> bool:
    """Whether a clause of its own begins with the mention: 'B, (a) is wrong'."""
    return (
        re.match(
            r"[\"')\]]*\s*(?:is|was|would|shows|does|has|can|could|seems|looks|means|fits"
            r"|describes|matches|isn't|cannot)\b"
            r"(?!\s+(?:both|equally|all))",
            behind,
            _I,
        )
        is not None
    )
