"""An RTSP camera of this machine, for the system's Python with GStreamer's bindings: PORT WIDTH HEIGHT."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

port, width, height = sys.argv[1:]
Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory.new()
shown = f"video/x-raw,width={width},height={height},framerate=10/1"
coded = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5"
factory.set_launch(f"( videotestsrc is-live=true pattern=ball ! {shown} ! {coded} ! rtph264pay name=pay0 pt=96 )")
factory.set_shared(True)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print("serving", flush=True)
GLib.MainLoop().run()
