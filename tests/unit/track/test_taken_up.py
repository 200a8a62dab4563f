"""A track taken up from masks goes on about as the run that gave them."""

from __future__ import annotations
