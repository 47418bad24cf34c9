"""A network of this process's own, in which a public address is this machine's: for what must never be asked on loopback."""
import ctypes
import fcntl
import os
import socket
import struct

ADDRESS = "11.12.13.14"  # one of the public Internet's; its packets never leave the network made here

_NEWUSER, _NEWNET = 0x10000000, 0x40000000  # sched.h: CLONE_NEWUSER, CLONE_NEWNET
_SET_FLAGS, _SET_ADDRESS, _SET_MASK = 0x8914, 0x8916, 0x891C  # sockios.h
_UP, _RUNNING = 0x1, 0x40  # if.h


def _address(text):
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def enter():
    """Moves this process, which has one thread, and its children there. False: the system does not let it."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.unshare(_NEWNET) != 0:  # as root; others get a user namespace with it
            if libc.unshare(_NEWUSER | _NEWNET) != 0:
                return False
            for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            for request, name, value in ((_SET_FLAGS, b"lo", struct.pack("=h14x", _UP | _RUNNING)),
                                         (_SET_ADDRESS, b"lo:1", _address(ADDRESS)),
                                         (_SET_MASK, b"lo:1", _address("255.255.255.255"))):
                fcntl.ioctl(handle, request, struct.pack("16s16s8x", name, value))
        return True
    except OSError:
        return False
