"""What one would write without us: AsyncOpenAI and a semaphore, answers kept in a list. Prints the seconds it took.

python openai_calls.py BASE_URL CALLS CONCURRENCY [aiohttp]     with the transport that its documents advise for many calls
"""

from __future__ import annotations

import asyncio
import sys
import time

from openai import AsyncOpenAI, DefaultAioHttpClient, DefaultAsyncHttpxClient


async def main(base_url: str, calls: int, concurrency: int, transport: str = "") -> float:
    limit = asyncio.Semaphore(concurrency)
    made = DefaultAioHttpClient() if transport == "aiohttp" else DefaultAsyncHttpxClient()
    async with AsyncOpenAI(base_url=base_url, api_key="none", http_client=made) as client:

        async def ask(number: int) -> str | None:
            async with limit:
                prompt = [{"role": "user", "content": f"Row {number}: write one line."}]
                answer = await client.chat.completions.create(model="fake-small", messages=prompt, max_tokens=256)
                return answer.choices[0].message.content

        began = time.monotonic()
        await asyncio.gather(*(ask(number) for number in range(calls)))
        return time.monotonic() - began


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])))
