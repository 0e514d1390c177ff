"""Is what a results folder says true? Its files, its scores, its tables, its plan, and by running again, its runs.

Every check answers with what it found (`Findings`): counts of what was looked at, what is wrong, in one line each, and
what could not be checked. A damaged or hostile folder is something wrong, never a traceback. `verify_results` does all
of them and gives the receipt.
"""

from pbgraph.verify.checks import checked, verify_results
from pbgraph.verify.findings import Findings
from pbgraph.verify.receipt import Receipt

__all__ = ["Findings", "Receipt", "checked", "verify_results"]
