"""The faults that a server has to live through, each with what it lost and how long it took."""
