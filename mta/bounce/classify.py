"""placeholder"""
from dataclasses import dataclass
@dataclass
class C:
    cls: str = "recipient_unknown"
    disposition: str = "hard"
    suppress: bool = True
class Rules: ...
def load(text: str) -> Rules: return Rules()
def classify(code: int, enhanced: str, text: str, rules: Rules) -> C:
    return C() if code == 550 and enhanced == "5.1.1" else C("domain_invalid" if enhanced=="5.1.2" else "x", "soft", False)
