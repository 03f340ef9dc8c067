"""An experiment: parameters become a plan, the plan trials, and the trials a run in the ledger."""
