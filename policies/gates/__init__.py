"""The gates that hold the rules: security's files read, verdicts made, and who calls them where."""
