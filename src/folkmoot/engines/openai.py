"""The engine for any server that speaks OpenAI's chat completions: a cloud service, vLLM, llama.cpp, Ollama."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import (
    Capabilities,
    Choice,
    Completion,
    EngineError,
    Finish,
    Missing,
    Request,
    Unsupported,
    require,
)
from folkmoot.engines.http.endpoint import Endpoint, Reply

_CHAT = "/chat/completions"
_FINISH: dict[str, Finish] = {"stop": "stop", "eos": "stop", "length": "length", "content_filter": "refused"}
_NAMES = 8
"""Names of models in replies that are kept at most."""
_PIECE = re.compile(r"[A-Za-z]+|[^\sA-Za-z]+|\s+")


class OpenAIEngine:
    """Asks a server. Safe from many tasks, and from more than one event loop.

    Status 429 and 5xx and broken connections are tried again after pauses that double, with jitter. Status 429 and 503
    also lower the number of requests in flight, which rises again while replies come, and their Retry-After, up to a
    minute, holds for all requests. A server that is down is asked less than twice a second, and requests wait for it
    within their time-out. Anything else fails at once with one line. Redirects and proxy settings of the environment are
    not followed. The key is read from a variable or a file when the first request is sent, and
    shows up nowhere else. Of a reasoning model only the reply counts, not its thoughts.

    `start` asks the server for its models: a dead address or a wrong name is found before any work (`Missing`), and the
    context window is known from then on if the server tells it (vLLM does, as ``max_model_len``).

    Args:
        base_url: Address up to and with ``/v1``: ``http://127.0.0.1:8000/v1``. Never with credentials in it.
        model: The server's name for the model; a LoRA adapter is a model name there, not part of a request.
        api_key_env: Name of the environment variable that holds the key.
        api_key_file: File that holds the key, instead.
        seeds: The server honours ``seed`` (vLLM does on a GPU, not on a CPU).
        context: Tokens of prompt and reply that fit, if known.
        max_concurrent: Requests in flight at most, per event loop; further ones wait here, deeper ones first.
        timeout: Seconds for one request from the moment it is first sent, all retries and pauses included.
        retries: How often a request is tried again. Tries while the server is down for all do not count, nor refused ones
            (429, 503) while others are served.
        choose: The server understands vLLM's ``structured_outputs: {"choice": [...]}``.
        extra_body: Further fields of the request's body, such as ``{"chat_template_kwargs": {...}}``; part of the
            identity.

    Raises:
        BadInput: The address cannot be one, or both a variable and a file are named for the key.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str | None = None,
        api_key_file: str | Path | None = None,
        seeds: bool = False,
        context: int | None = None,
        max_concurrent: int = 64,
        timeout: float = 300.0,
        retries: int = 4,
        choose: bool = False,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        self._server = Endpoint(
            base_url,
            key_env=api_key_env,
            key_file=api_key_file,
            max_concurrent=max_concurrent,
            timeout=timeout,
            retries=retries,
        )
        self._model = model
        self._capabilities = Capabilities(seeds=seeds, choose=choose)
        self._context = context
        self._extra = dict(extra_body or {})
        self._started = False
        self._named: set[str] = set()

    def __repr__(self) -> str:
        return f"OpenAIEngine({self._server.base!r}, {self._model!r})"

    @property
    def identity(self) -> str:
        """``openai``, address, model, and a digest of `extra_body` if there is any."""
        extra = hashlib.sha256(json.dumps(self._extra, sort_keys=True).encode()).hexdigest()[:12] if self._extra else ""
        return f"openai:{self._server.base}:{self._model}" + (f":{extra}" if extra else "")

    @property
    def capabilities(self) -> Capabilities:
        """What the server was said to do; never adapters, and counts are estimates."""
        return self._capabilities

    @property
    def named(self) -> tuple[str, ...]:
        """The models that replies so far say they come from, fit to be shown; a few at most."""
        return tuple(sorted(self._named))

    @property
    def context(self) -> int | None:
        """As given, or as the server told at `start`."""
        return self._context

    def count_tokens(self, text: str) -> int:
        """An estimate on the long side, without the model's tokenizer.

        A run of letters counts a third of its length, rounded up; digits, punctuation and white space other than a
        single space one each; anything else its UTF-8 bytes, which no byte-level tokenizer exceeds.

        Text in sentences, formulas and program code come out 1.3 to 1.7 times too long. Only letters without words, as in
        base64, can come out too short, by 40 %.
        """
        count = 0
        for piece in _PIECE.findall(text):
            if piece.isascii() and piece.isalpha():
                count += -(-len(piece) // 3)
            elif piece != " ":
                count += len(piece.encode("utf-8", "surrogatepass"))
        return count

    async def start(self) -> None:
        """Find out whether the server answers and knows the model, and its context window if it tells.

        Raises:
            Missing: Nothing answers, the key is refused, or the server's list of models lacks this one.
        """
        if self._started:
            return
        listed = {str(m.get("id")): m for m in await self._server.models()}
        # Ollama lists the model `name` as `name:latest`.
        entry = listed.get(self._model) or listed.get(f"{self._model}:latest")
        if listed and entry is None:
            hint = self._server.unknown(self._model, list(listed))
            raise Missing(f"{self._server.base}: it has no model {self._model!r}. {hint}")
        length = entry and entry.get("max_model_len")
        if isinstance(length, int) and self._context is None:
            self._context = length
        self._started = True

    async def close(self) -> None:
        """Close all connections, those of other event loops too."""
        self._started = False
        await self._server.close()

    async def complete(self, request: Request) -> Completion:
        """Send the request; see the class for what is tried again."""
        require(self, request)
        reply = await self._server.post(_CHAT, self._body(request), self._model, request.depth)
        said = self._read(reply)
        text = said.content
        if text is None and (said.finish == "refused" or (said.finish == "length" and said.completion_tokens)):
            text = ""  # withheld, or every token went into reasoning
        if not isinstance(text, str):
            raise self._unusable(f"the content is {text!r}, not text")
        cut = min((at for s in request.sampling.stop if (at := text.find(s)) >= 0), default=len(text))
        return Completion(
            # A lone surrogate would break tokenizers and files later on.
            text=text[:cut].encode("utf-8", "replace").decode("utf-8"),
            finish=said.finish,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
            cached_tokens=said.cached_tokens,
            queue_s=reply.queue_s,
            service_s=reply.service_s,
        )

    async def choose(self, request: Request, options: Sequence[str]) -> Choice:
        """Let the server say one of the options, and nothing else.

        Where the options begin with different characters and the server sends log-probabilities, those of the first
        token are normalised over the options (``likelihood``); else the option it says gets 1 (``constrained``).
        """
        require(self, request)
        if not self._capabilities.choose:
            raise Unsupported(
                f"{self.identity}: it was not said to choose. Build it with choose=True if the server understands "
                "structured_outputs (vLLM does), or let it reply in words."
            )
        if not options or len(set(options)) != len(options) or not all(options):
            raise EngineError(f"{self.identity}: options must be there, differ and not be empty: {list(options)!r}.")
        body = self._body(request) | {
            "temperature": 0,
            "max_tokens": 8 + max(map(self.count_tokens, options)),
            "structured_outputs": {"choice": list(options)},
            "logprobs": True,
            "top_logprobs": 20,
        }
        reply = await self._server.post(_CHAT, body, self._model, request.depth)
        said = self._read(reply)
        likely = _first_token(said.logprobs, options)
        weights = likely or [float(said.content == o) for o in options]
        if not any(weights):
            raise self._unusable(
                f"it says {said.content!r}, none of the options; without structured_outputs there, use choose=False"
            )
        return Choice(
            probabilities=tuple(w / sum(weights) for w in weights),
            method="likelihood" if likely else "constrained",
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
            cached_tokens=said.cached_tokens,
            queue_s=reply.queue_s,
            service_s=reply.service_s,
        )

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        return body | self._extra

    def _read(self, reply: Reply) -> _Said:
        """The parts of a reply that matter, each of the right kind."""
        try:
            choice, usage = reply.data["choices"][0], reply.data["usage"]
            message = choice["message"]
            refused = message.get("refusal") is not None
            content, reason, logprobs = message.get("content"), choice.get("finish_reason"), choice.get("logprobs")
            counts = usage["prompt_tokens"], usage["completion_tokens"]
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            if any(type(n) is not int or n < 0 for n in (*counts, cached)):
                raise TypeError
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._unusable("choices, message or usage are missing or of the wrong kind") from None
        if isinstance(name := reply.data.get("model"), str) and name and len(self._named) < _NAMES:
            self._named.add(self._server.plain(name))
        finish = "refused" if refused else _FINISH.get(str(reason))
        if finish is None:
            raise self._unusable(f"the finish_reason is {reason!r}")
        return _Said(content, logprobs, finish, *counts, cached)

    def _unusable(self, why: str) -> EngineError:
        where = f"{self._server.base}{_CHAT}: model {self._model!r}"
        return EngineError(f"{where}: the reply cannot be used: {self._server.plain(why)}.")


@dataclass(frozen=True, slots=True)
class _Said:
    content: Any
    logprobs: Any
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


def _first_token(logprobs: Any, options: Sequence[str]) -> list[float] | None:
    """Probability of each option by the first token, if that token tells them apart and one of them has any."""
    if len({o.strip()[:1] for o in options}) != len(options):
        return None
    weights = [0.0] * len(options)
    try:
        for entry in logprobs["content"][0]["top_logprobs"]:
            token, weight = entry["token"].strip(), math.exp(entry["logprob"])
            for i, option in enumerate(options):
                if token and option.strip().startswith(token) and math.isfinite(weight):
                    weights[i] += weight
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError):
        return None
    return weights if any(weights) else None
