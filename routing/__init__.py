"""Pure decisions about who answers: plain frozen values and `now` in, a decision with its reason out. No database, no
clock."""
