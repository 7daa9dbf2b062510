# %% [markdown]
# Forged messages. The student's process holds the key of its own connection and can send any message: a message can carry
# values, which are compared, and nothing else.
# ruff: noqa

# %% attack="forged_from_a_thread" task="double" lost="double-1 fail, double-2 fail"
# A thread publishes constants for whichever cell runs, before the check itself does.
import threading, time
kernel = get_ipython().kernel
def forge():
    until = time.monotonic() + 20
    while time.monotonic() < until and forging:
        values = {"doubled": {"shape": [5], "data": [0.0] * 5}, "ratio": {"shape": [7], "data": [0.0] * 7}}
        content = {"data": {"application/vnd.course.check+json": {"values": values}}, "metadata": {}}
        kernel.session.send(kernel.iopub_socket, "display_data", content, parent=kernel.get_parent("shell"))
        time.sleep(0.02)
forging = True
threading.Thread(target=forge, daemon=True).start()
def double(x):
    time.sleep(0.1)
    return 3 * x

# %% attack="idle_before_the_values" task="double" lost="double-1 fail, double-2 fail"
# Says "idle" in the middle of a check, so that the grader goes on: what comes after belongs to a cell that is over.
import time
kernel = get_ipython().kernel
def double(x):
    parent = kernel.get_parent("shell")
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
    time.sleep(0.3)
    return 2 * x

# %% attack="idle_in_the_cell" task="double" lost="double-1 fail, double-2 fail"
# Says "idle" while its cell runs, reads the checks that the grader sends meanwhile, and answers them itself.
import time, zmq
kernel = get_ipython().kernel
def double(x):
    return 3 * x
parent = kernel.get_parent("shell")
kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
stream = kernel.shell_stream if hasattr(kernel, "shell_stream") else kernel.shell_streams[0]
until = time.monotonic() + 1
while time.monotonic() < until:
    try:
        frames = stream.socket.recv_multipart(zmq.NOBLOCK)
    except Exception:
        time.sleep(0.05)
        continue
    request = kernel.session.deserialize(kernel.session.feed_identities(frames)[1])
    forged = {"doubled": {"shape": [5], "data": [0.0] * 5}}
    content = {"data": {"application/vnd.course.check+json": {"values": forged}}, "metadata": {}}
    kernel.session.send(kernel.iopub_socket, "display_data", content, parent=request)
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=request)
    break

# %% attack="another_cells_parent" task="double" lost="double-1 fail, double-2 fail"
# Publishes for cells that are over, that are yet to come and that never were.
kernel = get_ipython().kernel
earlier = dict(kernel.get_parent("shell"))
def double(x):
    values = {"doubled": {"shape": [5], "data": [0.0] * 5}, "total": {"shape": [], "data": [0.0]}}
    content = {"data": {"application/vnd.course.check+json": {"check": "total-1", "values": values}}, "metadata": {}}
    for parent in (earlier, {"header": {"msg_id": "no"}}, {"header": {"msg_id": ["total-1"], "a": {}}}, None, {}):
        kernel.session.send(kernel.iopub_socket, "display_data", content, parent=parent)
    return 3 * x

# %% attack="forged_errors" task="double" lost=""
# Errors whose parts are no text, or far too much of it, or HTML and colours: told as plain text, shortened. The values
# that come after them are right, and count.
kernel = get_ipython().kernel
def double(x):
    deep = "end"
    for _ in range(900):
        deep = [deep]
    parent = kernel.get_parent("shell")
    for name in (deep, {"a": [1]}, None, 10**400, "E" * 200_000, "<script>alert(3)</script>\x1b[31m"):
        content = {"ename": name, "evalue": name, "traceback": [str(name)[:9], name]}
        kernel.session.send(kernel.iopub_socket, "error", content, parent=parent)
    return 2 * x

# %% attack="forged_replies" task="double" lost="double-1 fail, double-2 fail"
# Tells the grader's shell channel that all went well, and answers requests that nobody made.
kernel = get_ipython().kernel
def double(x):
    parent = kernel.get_parent("shell")
    stream = kernel.shell_stream if hasattr(kernel, "shell_stream") else kernel.shell_streams[0]
    for kind in ("execute_reply", "kernel_info_reply", "shutdown_reply", "input_request"):
        for content in ({"status": "ok", "verdict": "pass", "points": 6, "payload": []}, {}, {"status": ["aborted"]}):
            kernel.session.send(stream, kind, content, parent=parent, ident=[b"a", b"b"])
            kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
    return 3 * x

# %% attack="display_updates" task="double" lost="double-1 fail, double-2 fail"
# Publishes, clears the output, and publishes something else in the same place.
from IPython.display import display, update_display, clear_output
def double(x):
    values = {"doubled": {"shape": [5], "data": [0.0] * 5}, "ratio": {"shape": [7], "data": [2.0] * 3}}
    item = {"application/vnd.course.check+json": {"check": "double-1", "values": values}}
    display(item, raw=True, display_id="one")
    clear_output(wait=True)
    update_display(item, raw=True, display_id="one")
    clear_output()
    return 3 * x

# %% attack="junk_on_the_wire" task="double" lost="double-1 fail, double-2 fail"
# Frames that are no messages: unsigned, signed with another key, replayed, empty, with lists for dictionaries.
import zmq
kernel = get_ipython().kernel
def double(x):
    for frames in ([b""], [b"<IDS|MSG>"], [b"<IDS|MSG>", b"0" * 64, b"{}", b"{}", b"{}", b"{}"], [b"x"] * 2_000):
        kernel.iopub_socket.send_multipart(frames)
    signed = lambda *parts: [b"<IDS|MSG>", kernel.session.sign(list(parts)), *parts]
    nested = b"[" * 990 + b"]" * 990
    for odd in (b"[]", b"3", b"null", b'"x"', nested, b'{"msg_id": [], "msg_type": {}, "version": "4.1", "date": {}}'):
        for n in range(4):
            parts = [b'{"msg_id": "a", "msg_type": "status", "version": "4.1"}', b"{}", b"{}", b"{}"]
            kernel.iopub_socket.send_multipart(signed(*parts[:n], odd, *parts[n + 1 :]))
    return 3 * x

# %% attack="other_client" task="double" lost="double-1 fail, double-2 fail"
# Reads the connection file and becomes a second client of its own kernel, over shell and control.
import json, glob, zmq
def double(x):
    return 3 * x
for path in glob.glob("/kernel/sockets/*.json"):
    facts = json.load(open(path))
    from jupyter_client.session import Session
    session = Session(key=facts["key"].encode())
    for port in ("shell_port", "control_port"):
        client = zmq.Context.instance().socket(zmq.DEALER)
        client.linger = 0
        client.connect(f"ipc://{facts['ip']}-{facts[port]}")
        session.send(client, "execute_request", {"code": "double = lambda x: 4 * x", "silent": False})
        session.send(client, "comm_open", {"comm_id": "1", "target_name": "jupyter.widget", "data": {}})

# %% attack="iopub_closed" task="draw" lost="draw-1 flood/timeout/died"
# Closes the channel that it should answer on: that is over at once, and the other tasks are graded in another kernel.
def draw(n, *, generator=None):
    thread = get_ipython().kernel.iopub_thread
    thread.schedule(lambda: thread.socket.close(linger=0))
    import time
    time.sleep(60)

# %% attack="a_message_without_an_end" task="draw" lost="draw-1 flood"
# Writes into the connection itself the parts of one message, 2 GB of them and never a last one: ZeroMQ would keep them all.
import os, socket, time
def draw(n, *, generator=None):
    part = b"\x03" + (4_000_000).to_bytes(8, "big") + bytes(4_000_000)  # a long frame of ZMTP, and more to come
    for fd in range(3, 200):
        try:
            mine = socket.socket(fileno=os.dup(fd))
            if mine.getsockname() != "/kernel/sockets/s-2" or mine.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
            mine.setblocking(True)
            for _ in range(500):
                mine.sendall(part)
        except (OSError, ValueError):
            continue
    time.sleep(1)
    return torch.rand(n, generator=generator)

# %% attack="message_too_long" task="draw" lost="draw-1 flood"
# One message of 100 MB.
from IPython.display import display
def draw(n, *, generator=None):
    display({"text/plain": "x" * 100_000_000}, raw=True)
    return torch.rand(n, generator=generator)

# %% attack="million_messages" task="draw" lost="draw-1 flood"
# A million small messages.
def draw(n, *, generator=None):
    kernel = get_ipython().kernel
    parent = kernel.get_parent("shell")
    for number in range(1_000_000):
        kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "x"}, parent=parent)
    return torch.rand(n, generator=generator)

# %% attack="comms_and_widgets" task="draw" lost="draw-1 flood"
# A hundred thousand comms, and display updates in between.
from comm import create_comm
from IPython.display import display, update_display
def draw(n, *, generator=None):
    display("x", display_id="one")
    for number in range(100_000):
        create_comm(target_name="jupyter.widget", data={"n": number})
        update_display(number, display_id="one")
    return torch.rand(n, generator=generator)

# %% attack="prints" task="draw" lost="draw-1 flood"
# 100 MB of print, in one line.
def draw(n, *, generator=None):
    print("x" * 100_000_000)
    return torch.rand(n, generator=generator)

# %% attack="asks" task="draw" lost="draw-1 error"
# Asks the person at the keyboard, who is not there.
import getpass
def draw(n, *, generator=None):
    try:
        getpass.getpass("your password: ")
    except BaseException as error:
        print(type(error))
    return input("y/n")

# %% attack="payload" before="total" lost=""
# Asks the front end for pages and cells, and for the next input; there is none that would do it.
get_ipython().set_next_input("double = lambda x: 2 * x", replace=True)
get_ipython().payload_manager.write_payload({"source": "ask_exit", "keepkernel": False})
get_ipython().run_line_magic("page", "In")
