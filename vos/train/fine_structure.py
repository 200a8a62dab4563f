"""`python -m vos.train.fine_structure`: the former name of `python -m vos.synth.thin`."""

from vos.synth.thin.__main__ import main

if __name__ == "__main__":
    main()
