"""`python -m vos.train.synthetic`: the former name of `python -m vos.synth`."""

from vos.synth.__main__ import main

if __name__ == "__main__":
    main()
