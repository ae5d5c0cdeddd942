"""The floor: the requests alone, by aiohttp and a semaphore, answers kept in a list. Prints the seconds it took.

python aiohttp_calls.py BASE_URL CALLS CONCURRENCY
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp


async def main(base_url: str, calls: int, concurrency: int) -> float:
    limit = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> str:
            prompt = [{"role": "user", "content": f"Row {number}: write one line."}]
            body = {"model": "fake-small", "messages": prompt, "max_tokens": 256}
            async with limit, session.post(f"{base_url}/chat/completions", json=body) as response:
                answer = await response.json()
                return str(answer["choices"][0]["message"]["content"])

        began = time.monotonic()
        await asyncio.gather(*(ask(number) for number in range(calls)))
        return time.monotonic() - began


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
