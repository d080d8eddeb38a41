"""A device that can be discovered, by the package WSDiscovery, which nobody here wrote: it answers Probes with its name and
addresses, and takes connections on one port without saying anything there. Prints READY when it does.

    python discovered.py UUID ADDRESS PORT
"""

import socket
import sys
import uuid

from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing


def main():
    name, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    listener = socket.create_server((address, port))
    publishing = ThreadedWSPublishing(uuid_=uuid.UUID(name).urn)
    publishing.start()
    publishing.publishService(
        types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
        scopes=[Scope("onvif://www.onvif.org/name/Gate"), Scope("onvif://www.onvif.org/hardware/W1")],
        xAddrs=["http://%s:8000/onvif/device_service" % address],
    )
    print("READY", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.close()


main()
