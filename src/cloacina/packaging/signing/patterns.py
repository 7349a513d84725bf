"""Lists of patterns, as OpenSSH matches principals and namespaces with.

Source: ssh_config(5), PATTERNS: `*` stands for any characters, `?` for one; patterns are separated by commas; one with
`!` in front refuses what it matches, whatever else matches.
"""

from __future__ import annotations


def matches_list(name: str, patterns: str) -> bool:
    """Return whether a list of patterns accepts a name.

    Args:
        name: The name, such as `you@example.com`.
        patterns: The list.

    Example:
        ```python
        from cloacina.packaging.signing.patterns import matches_list

        patterns = "*@example.com,!intern@example.com"
        print(matches_list("release@example.com", patterns), matches_list("intern@example.com", patterns))
        #> True False
        ```
    """
    is_accepted = False
    for pattern in patterns.split(","):
        if pattern.startswith("!"):
            if matches(name, pattern[1:]):
                return False
        elif matches(name, pattern):
            is_accepted = True
    return is_accepted


def matches(name: str, pattern: str) -> bool:
    """Return whether one pattern matches the whole of a name; upper and lower case differ."""
    # A pattern with many stars must not take long: only the last star is ever tried again.
    at = star = resume = 0
    is_in_star = False
    position = 0
    while at < len(name):
        if position < len(pattern) and pattern[position] == "*":
            is_in_star, star, resume = True, position, at
            position += 1
        elif position < len(pattern) and pattern[position] in {"?", name[at]}:
            position += 1
            at += 1
        elif is_in_star:
            resume += 1
            position, at = star + 1, resume
        else:
            return False
    return not pattern[position:].strip("*")
