"""``python -m fanin`` is the ``fanin`` command."""

from .cli import main

if __name__ == "__main__":
    main()
