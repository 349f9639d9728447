"""The problem format (format: 1): YAML files read into checked problems, with good messages."""
