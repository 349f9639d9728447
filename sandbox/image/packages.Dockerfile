# A base with the packages of one list on top; build.sh has put them into the context, so that
# nothing here needs a network.
ARG BASE
FROM ${BASE}
# Where Debian's Python looks for what is not Debian's, so that a program's own `python3` has it too.
COPY packages /usr/local/lib/python3.13/dist-packages
# Not unchecked, as the harness is: compileall then leaves alone what the base has compiled already.
RUN python3 -I -m compileall -q -j 0 /usr/local/lib/python3.13/dist-packages
