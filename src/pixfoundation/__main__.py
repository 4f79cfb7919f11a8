"""`python -m pixfoundation`: the command line, where the command itself is not on the path."""

from pixfoundation.cli import main

if __name__ == "__main__":
    main()
