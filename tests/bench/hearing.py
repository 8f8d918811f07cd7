"""Reading a netlink socket as fast as the kernel writes to it."""

import ctypes
import socket

from tests.namespaces import LIBC


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Datagram(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(Piece)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("_fill", ctypes.c_int),  # struct msghdr ends here, aligned to 8 bytes
        ("received", ctypes.c_uint),
    )


class Hearing:
    """Many datagrams of a socket in one call: one by one, reading 10,000 takes longer than sending them."""

    AT_ONCE, BYTES = 256, 1024

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._into = ctypes.create_string_buffer(self.AT_ONCE * self.BYTES)
        at = ctypes.addressof(self._into)
        self._pieces = (Piece * self.AT_ONCE)(*(Piece(at + n * self.BYTES, self.BYTES) for n in range(self.AT_ONCE)))
        self._headers = (Datagram * self.AT_ONCE)()
        for header, piece in zip(self._headers, self._pieces, strict=True):
            header.pieces, header.count = ctypes.pointer(piece), 1

    def now(self) -> list[bytes]:
        """What there is, without waiting."""
        count = LIBC.recvmmsg(self._descriptor, self._headers, self.AT_ONCE, socket.MSG_DONTWAIT, None)
        whole = self._into.raw if count > 0 else b""
        return [whole[n * self.BYTES : n * self.BYTES + self._headers[n].received] for n in range(count)]
