import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import BackgroundTasks, FastAPI, File, Form, HTTPException, Response, UploadFile, WebSocket
from fastapi.responses import ORJSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, EmailStr, Field

app = FastAPI(title="Shop")
done = []


class Order(BaseModel):
    fruit: str = Field(min_length=2)
    count: int = Field(gt=0)
    email: EmailStr
    price: Decimal = Decimal("1.10")


@app.get("/health")
def health():
    return {"fine": True}


@app.post("/orders", status_code=201)
def order(order: Order, tasks: BackgroundTasks):
    tasks.add_task(done.append, order.fruit)
    return {"total": order.price * order.count, "to": order.email}


@app.get("/orders/{number}")
def find(number: int):
    if number > len(done):
        raise HTTPException(404, "no such order")
    return ORJSONResponse({"fruit": done[number - 1]})


@app.post("/upload")
async def upload(file: Annotated[UploadFile, File()], note: Annotated[str, Form()]):
    return {"bytes": len(await file.read()), "note": note}


@app.get("/when/{zone:path}")
def when(zone: str):
    return PlainTextResponse(datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).strftime("%H:%M %Z"))


@app.get("/stream")
async def stream():
    async def parts():
        for n in range(3):
            yield f"part {n}\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/yaml")
def yaml():
    import yaml

    return Response(yaml.dump(yaml.load("a: [1, 2]", yaml.CSafeLoader)), media_type="text/yaml")


@app.get("/shell")
async def shell():
    process = await asyncio.create_subprocess_exec("curl", "--version", stdout=asyncio.subprocess.PIPE)
    return PlainTextResponse((await process.communicate())[0].decode())


@app.get("/fetch")
async def fetch(url: str):
    import httpx

    async with httpx.AsyncClient(http2=True, verify=False) as client:
        return PlainTextResponse((await client.get(url)).text)


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    await socket.send_text("you said " + await socket.receive_text())
    await socket.close()
