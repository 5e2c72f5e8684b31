"""The web page over the default archive: ``python app.py``, the same as ``qa serve``."""

from qa.web.app import main

if __name__ == "__main__":
    main()
