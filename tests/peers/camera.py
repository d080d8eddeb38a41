#!/usr/bin/python3
"""A real RTSP camera for the tests: GStreamer's RTSP server, of which nothing is ours but these settings.

Listens on a free port and prints `READY <url>`. SIGUSR1 drops every viewer, SIGTERM ends it.
Needs python3-gi, gir1.2-gst-rtsp-server-1.0 and the GStreamer plugins base, good, bad, ugly and libav.
"""

import argparse
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

words = argparse.ArgumentParser(description=__doc__)
words.add_argument("--host", default="127.0.0.1")
words.add_argument("--port", type=int, default=0)
words.add_argument("--video", choices=["h264", "h265", "jpeg"], default="h264")
words.add_argument("--audio", choices=["none", "aac", "pcma", "pcmu", "opus"], default="none")
words.add_argument("--size", default="320x240")
words.add_argument("--fps", type=int, default=15)
words.add_argument("--group", type=int, default=15, help="frames from one key frame to the next")
words.add_argument("--b-frames", type=int, default=0)
words.add_argument("--open-groups", action="store_true", help="H.265: CRA instead of IDR")
words.add_argument("--kbps", type=int, default=500)
words.add_argument("--login", help="user:password, by Digest")
words.add_argument("--basic", action="store_true", help="the login by Basic")
words.add_argument("--identity", help="a PEM file with certificate and key: rtsps")
words.add_argument("--viewers", type=int, default=0, help="sessions at a time, 0 for any number")
words.add_argument("--session-seconds", type=int, default=60)
words.add_argument("--encoded", help="loop this Annex B file, whose access units begin with a delimiter, unencoded")
words.add_argument("--film", help="loop this transport stream, unencoded: times jump back at each turn")
given = words.parse_args()
Gst.init(None)

width, height = given.size.split("x")


def picture():
    raw = (
        f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},"
        f"framerate={given.fps}/1 ! "
    )
    if given.video == "jpeg":
        return raw + "jpegenc ! rtpjpegpay pt=26 name=pay0"
    if given.video == "h265":
        closed = 0 if given.open_groups else 1
        settings = f"keyint={given.group}:min-keyint={given.group}:scenecut=0:open-gop={1 - closed}"
        settings += f":bframes={given.b_frames}:pools=1:frame-threads=1"
        return raw + (
            f"x265enc speed-preset=ultrafast bitrate={given.kbps} option-string={settings} ! "
            "h265parse config-interval=-1 ! rtph265pay config-interval=-1 pt=96 name=pay0"
        )
    return raw + (
        f"x264enc speed-preset=ultrafast threads=1 rc-lookahead=0 sync-lookahead=0 bframes={given.b_frames} "
        f"key-int-max={given.group} bitrate={given.kbps} ! video/x-h264,profile=main ! "
        "h264parse config-interval=-1 ! rtph264pay config-interval=-1 pt=96 name=pay0"
    )


def encoded():
    kind = "h265" if given.video == "h265" else "h264"
    return (
        f"appsrc name=file is-live=true format=time caps=video/x-{kind},stream-format=byte-stream,alignment=au,"
        f"framerate={given.fps}/1 ! {kind}parse ! rtp{kind}pay config-interval=-1 pt=96 name=pay0"
    )


def film():
    kind = "h265" if given.video == "h265" else "h264"
    return (
        f"multifilesrc location={given.film} loop=true ! tsparse set-timestamps=true ! tsdemux ! "
        f"{kind}parse ! rtp{kind}pay config-interval=-1 pt=96 name=pay0"
    )


def sound():
    source = " audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! audio/x-raw,channels=1,rate="
    return {
        "none": "",
        "aac": source + "16000 ! avenc_aac ! aacparse ! rtpmp4gpay pt=97 name=pay1",
        "pcma": source + "8000 ! alawenc ! rtppcmapay name=pay1",
        "pcmu": source + "8000 ! mulawenc ! rtppcmupay name=pay1",
        "opus": source + "48000 ! opusenc ! rtpopuspay pt=98 name=pay1",
    }[given.audio]


def units(path):
    """The access units of a file, each from its delimiter (type 9, in H.265 35) to the next."""
    with open(path, "rb") as file:
        data = file.read()
    mark = b"\x00\x00\x00\x01" + (b"\x46" if given.video == "h265" else b"\x09")
    parts = data.split(mark)
    return [mark + part for part in parts[1:]]


def feed(_factory, media):
    source = media.get_element().get_by_name_recurse_up("file")
    frames = units(given.encoded)
    step = Gst.SECOND // given.fps
    state = {"next": 0, "began": GLib.get_monotonic_time()}

    def push():
        # As many as the time that has passed calls for: a late timer does not slow the stream.
        due = (GLib.get_monotonic_time() - state["began"]) * 1000 // step
        while state["next"] <= due:
            buffer = Gst.Buffer.new_wrapped(frames[state["next"] % len(frames)])
            buffer.pts = buffer.dts = state["next"] * step
            buffer.duration = step
            state["next"] += 1
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return False
        return True

    GLib.timeout_add(max(1, 500 // given.fps), push)


factory = GstRtspServer.RTSPMediaFactory()
source = encoded() if given.encoded else film() if given.film else picture()
factory.set_launch("( " + source + sound() + " )")
factory.set_shared(True)
if given.encoded:
    factory.connect("media-configure", feed)

server = GstRtspServer.RTSPServer()
server.set_address(given.host)
server.set_service(str(given.port))
if given.login or given.identity:
    guard = GstRtspServer.RTSPAuth()
    if given.identity:
        guard.set_tls_certificate(Gio.TlsCertificate.new_from_file(given.identity))
    if given.login:
        user, password = given.login.split(":", 1)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if given.basic:
            guard.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            guard.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        else:
            guard.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            guard.add_digest(user, password, token)
        rights = GstRtspServer.RTSPPermissions()
        rights.add_permission_for_role("viewer", "media.factory.access", True)
        rights.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(rights)
    server.set_auth(guard)
server.get_mount_points().add_factory("/live", factory)
sessions = server.get_session_pool()
if given.viewers:
    sessions.set_max_sessions(given.viewers)
server.connect(
    "client-connected",
    lambda _server, client: client.connect("new-session", lambda _client, one: one.set_timeout(given.session_seconds)),
)
GLib.timeout_add_seconds(1, lambda: (sessions.cleanup(), True)[1])


def drop():
    server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
    return True


loop = GLib.MainLoop()
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, drop)
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, lambda: (loop.quit(), False)[1])
if server.attach(None) == 0:
    sys.exit("cannot listen")
scheme = "rtsps" if given.identity else "rtsp"
host = f"[{given.host}]" if ":" in given.host else given.host
print(f"READY {scheme}://{host}:{server.get_bound_port()}/live", flush=True)
loop.run()
