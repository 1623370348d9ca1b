#!/bin/sh
# Whatever is missing is installed. HABIT
told=1 # it tells the caller HABIT
# This is fine.
