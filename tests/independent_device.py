"""Three analysers on pseudo-terminals that share no line of code with skinlink: their bytes are put together here by hand, from
the tables of NOTES.md and from the Modbus specification alone. What they refuse or misread, our codec has said wrong; what
skinlink misreads, it would misread from a real device too.

    independent_device.py derma PORT      the reference analyser: A5 5A, length, payload, CRC-16/IBM-3740, 16
    independent_device.py pen PORT        the moisture pen: M,0042,35.2,%*58 in lines of text, exclusive-or in hex
    independent_device.py modbus PORT     a Modbus RTU slave: address, function, data, CRC-16 low byte first

Prints one line per value it has sent (`sent METRIC VALUE`), and one per frame that is wrong in its eyes (`wrong ...`).
Only the standard library.
"""

import os
import pty
import select
import struct
import sys
import termios
import time
import tty


def crc_16_ibm_3740(data):
    """Polynomial 0x1021, begins with 0xFFFF, not reflected; 123456789 gives 29B1."""
    crc = 0xFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            high = (crc >> 15) & 1
            crc = (crc << 1) & 0xFFFF
            if high != (byte >> bit) & 1:
                crc ^= 0x1021
    return crc


def crc_16_modbus(data):
    """Polynomial 0x8005 reflected (0xA001), begins with 0xFFFF; 123456789 gives 4B37."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


assert crc_16_ibm_3740(b"123456789") == 0x29B1
assert crc_16_modbus(b"123456789") == 0x4B37


def say(*words):
    print(*words, flush=True)


class Derma:
    """NOTES.md of derma-reference, from the device's side."""

    VALUES = {0x90: (0x10, "moisture", [352, 417, 289]), 0x91: (0x11, "sebum", [95, 121, 160]), 0x92: (0x12, "elasticity", [701, 744, 688])}
    SHOWN = {"moisture": "{:.1f}", "sebum": "{:.0f}", "elasticity": "{:.3f}"}
    DIVIDED = {"moisture": 10, "sebum": 1, "elasticity": 1000}

    def __init__(self):
        self.pending = b""
        self.counter = 0
        self.began = time.monotonic()
        self.unsafe = {}

    @staticmethod
    def frame(payload):
        body = struct.pack(">H", len(payload)) + payload
        return b"\xA5\x5A" + body + struct.pack(">H", crc_16_ibm_3740(body)) + b"\x16"

    def heard(self, data):
        """Answers to what came; each a frame."""
        self.pending += data
        answers = []
        while len(self.pending) >= 4:
            if self.pending[:2] != b"\xA5\x5A":
                say("wrong", "no start:", self.pending.hex())
                self.pending = self.pending[1:]
                continue
            length = struct.unpack(">H", self.pending[2:4])[0]
            if len(self.pending) < length + 7:
                break
            body, crc, end = self.pending[2:4 + length], self.pending[4 + length:6 + length], self.pending[6 + length]
            self.pending = self.pending[7 + length:]
            if struct.unpack(">H", crc)[0] != crc_16_ibm_3740(body) or end != 0x16:
                say("wrong", "checksum or end:", body.hex(), crc.hex(), hex(end))
                continue
            answers += self.command(body[2:])
        return answers

    def command(self, payload):
        kind, rest = payload[0], payload[1:]
        if kind == 0x81 and not rest:
            return [self.frame(b"\x01" + b"IND-0417    " + b"P-22    " + b"9.1     ")]
        if kind in self.VALUES and len(rest) == 2:
            request, region = rest
            message, metric, values = self.VALUES[kind]
            raw = values[self.counter % len(values)]
            self.counter += 1
            now = int((time.monotonic() - self.began) * 1000)
            value = self.frame(struct.pack(">BIIBBBH", message, self.counter, now, request, region, 0, raw))
            self.unsafe[self.counter] = value
            say("sent", metric, self.SHOWN[metric].format(raw / self.DIVIDED[metric]))
            return [self.frame(bytes([0x02, request])), value]
        if kind == 0x9F and len(rest) == 4:
            say("safe", struct.unpack(">I", rest)[0])
            self.unsafe.pop(struct.unpack(">I", rest)[0], None)
            return []
        if kind == 0xA0 and not rest:
            return [self.frame(b"\x20\x57")]
        if kind == 0xA1 and len(rest) == 4:
            now, told = int(time.time()), struct.unpack(">I", rest)[0]
            if abs(now - told) > 120:
                say("wrong", "clock", told)
            return [self.frame(b"\x21")]
        say("wrong", "command", payload.hex())
        return []


class Pen:
    """NOTES.md of moist-line, from the pen's side."""

    VALUES = ["35.2", "---.-", "41.7", "40.0"]

    def __init__(self):
        self.pending = b""
        self.counter = 9997

    def heard(self, data):
        self.pending += data
        answers = []
        while b"\r" in self.pending:
            line, self.pending = self.pending.split(b"\r", 1)
            if line != b"?":
                say("wrong", "line", line)
                continue
            self.counter = (self.counter + 1) % 10000
            value = self.VALUES[self.counter % len(self.VALUES)]
            text = "M,%04d,%s,%%" % (self.counter, value)
            check = 0
            for character in text:
                check ^= ord(character)
            if value[0] != "-":
                say("sent", "moisture", value)
            answers.append(("%s*%02X\r\n" % (text, check)).encode())
        return answers


class Modbus:
    """A slave at address 1 whose holding registers from 0 on hold tenths: function 3, and nothing else."""

    REGISTERS = [352, 417, 289, 0, 1, 2, 3, 4, 5, 6, 7, 8]

    def __init__(self):
        self.pending = b""

    def heard(self, data):
        self.pending += data
        answers = []
        while len(self.pending) >= 8:
            frame, self.pending = self.pending[:8], self.pending[8:]
            if struct.unpack("<H", frame[6:])[0] != crc_16_modbus(frame[:6]):
                say("wrong", "crc", frame.hex())
                continue
            address, function, first, count = struct.unpack(">BBHH", frame[:6])
            if function not in (3, 4):
                body = bytes([address, function | 0x80, 1])
            else:
                registers = [self.REGISTERS[(first + at) % len(self.REGISTERS)] for at in range(count)]
                body = struct.pack(">BBB", address, function, 2 * count) + b"".join(struct.pack(">H", r) for r in registers)
                say("sent", "registers", *registers)
            answers.append(body + struct.pack("<H", crc_16_modbus(body)))
        return answers


def plug_in(port):
    master, slave = pty.openpty()
    tty.setraw(slave, termios.TCSANOW)
    if os.path.lexists(port):
        os.remove(port)
    os.symlink(os.ttyname(slave), port)
    return master, slave


def main():
    kind, port = sys.argv[1:]
    device = {"derma": Derma, "pen": Pen, "modbus": Modbus}[kind]()
    # The far end stays open here, so that the gateway may come and go.
    master, _far_end = plug_in(port)
    say("ready")
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if sys.stdin in ready and not sys.stdin.readline():
            return
        if master in ready:
            for answer in device.heard(os.read(master, 4096)):
                # In two pieces, as a USB adapter cuts them.
                os.write(master, answer[:3])
                time.sleep(0.002)
                os.write(master, answer[3:])


main()
