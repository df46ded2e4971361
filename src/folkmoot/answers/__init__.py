"""What an answer is: how it is asked for, read from a reply, compared and scored. Pure functions, no guessing."""

from folkmoot.answers.types import AnswerType

__all__ = ["AnswerType"]
