"""The layers that images are put together from: busybox, web servers, a Debian tree, the layer with every oddity."""
import os
import re
import subprocess

from layer import Layer

PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = """root:x:0:
daemon:x:1:
mail:x:8:
www-data:x:33:
nogroup:x:65534:
"""

NGINX_CONF = """daemon off;
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types;
  access_log /dev/stdout;
  server {
    listen %PORT%;
    root /usr/share/nginx/html;
  }
}
"""
HTTPD_CONF = """ServerRoot /etc/apache2
DefaultRuntimeDir /run
PidFile /run/httpd.pid
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
ServerName localhost
Listen 80
User www-data
Group www-data
LogLevel notice
ErrorLogFormat "[%m:%l] %M"
ErrorLog /dev/stderr
DocumentRoot /var/www/html
StartServers 1
"""
HTTPD_FOREGROUND = "#!/bin/sh\nrm -f /run/httpd.pid\nexec /usr/sbin/apache2 -f /etc/apache2/httpd.conf -DFOREGROUND\n"


def busybox_layer(program):
    """A root of busybox alone. Applets are hard links, so that a mask over one does not hide the others."""
    layer = Layer()
    for path in ("bin", "dev", "etc", "home", "proc", "run", "sys", "usr", "usr/bin", "usr/sbin", "sbin", "var", "var/www"):
        layer.dir(path)
    layer.dir("root", 0o700).dir("tmp", 0o1777).dir("var/tmp", 0o1777)
    layer.symlink("var/run", "../run")
    layer.file("etc/passwd", PASSWD).file("etc/group", GROUP)
    layer.program("bin/busybox", program)
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in sorted(set(applets) - {"busybox"}):
        layer.hardlink("bin/" + applet, "bin/busybox")
    return layer.hardlink("usr/bin/env", "bin/busybox")


def library_closure(tree, programs):
    """The shared libraries (and the loader) that the programs of a Debian tree need: path in image -> path here."""
    folders = [os.path.join(tree, f) for f in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")]
    loader = os.path.join(tree, "lib64/ld-linux-x86-64.so.2")
    found = {"lib64/ld-linux-x86-64.so.2": loader}
    for program in programs:
        listing = subprocess.run([loader, "--library-path", ":".join(folders), "--list", os.path.join(tree, program)],
                                 capture_output=True, text=True, check=True).stdout
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listing, re.M):
            found["lib/x86_64-linux-gnu/" + name] = path
    found["lib/x86_64-linux-gnu/libgcc_s.so.1"] = os.path.join(folders[0], "libgcc_s.so.1")  # glibc opens it for pthread_exit
    return found


def add_programs(layer, tree, programs):
    for path, source in sorted(library_closure(tree, programs).items()):
        layer.program(path, os.path.realpath(source))
    for program in programs:
        layer.program(program, os.path.join(tree, program))
    return layer


def read(tree, path):
    with open(os.path.join(tree, path), "rb") as stream:
        return stream.read()


def nginx_layer(tree, port):
    layer = add_programs(Layer(), tree, ["usr/sbin/nginx"])
    for folder in ("etc", "etc/nginx", "usr/share", "usr/share/nginx", "usr/share/nginx/html",
                   "var", "var/lib", "var/log", "var/log/nginx"):
        layer.dir(folder)
    layer.dir("var/lib/nginx", 0o755, (33, 33))
    layer.file("etc/nginx/mime.types", read(tree, "etc/nginx/mime.types"))
    layer.file("etc/nginx/nginx.conf", NGINX_CONF.replace("%PORT%", str(port)))
    return layer.file("usr/share/nginx/html/index.html", read(tree, "usr/share/nginx/html/index.html"))


def httpd_layer(tree):
    modules = ["usr/lib/apache2/modules/mod_%s.so" % name for name in ("mpm_event", "authz_core", "dir")]
    layer = add_programs(Layer(), tree, ["usr/sbin/apache2"] + modules)
    for folder in ("etc", "etc/apache2", "var", "var/www", "var/www/html", "usr/local", "usr/local/bin"):
        layer.dir(folder)
    layer.file("etc/apache2/httpd.conf", HTTPD_CONF)
    layer.file("var/www/html/index.html", "<html><body><h1>It works!</h1></body></html>\n")
    return layer.file("usr/local/bin/httpd-foreground", HTTPD_FOREGROUND, 0o755)


def debian_layers(tree):
    """A distribution's tree with python in two layers, about 60 MB packed, for pulls that take a while."""
    libraries = "usr/lib/x86_64-linux-gnu/"
    aside = {"usr/lib/python3.11", "usr/lib/apache2", "usr/share/perl", libraries + "perl", libraries + "gconv"}
    for name in ("libicu", "libx265", "libSvtAv1", "libaom", "librav1e", "libperl"):  # only what was installed for apache
        aside |= {libraries + entry for entry in os.listdir(os.path.join(tree, libraries)) if entry.startswith(name)}
    empty = {"proc", "sys", "dev", "run", "var/lib/apt/lists", "var/cache/apt"}
    base = Layer().tree(tree, aside | empty)
    for folder in ("proc", "sys", "dev", "run"):
        base.dir(folder)
    python = Layer().dir("usr").dir("usr/lib").dir("usr/lib/python3.11")
    source = os.path.join(tree, "usr/lib/python3.11")
    return [base, _below(python, "usr/lib/python3.11", source)]


def _below(layer, prefix, source):
    for folder, names, files in os.walk(source):
        names.sort()
        here = os.path.normpath(os.path.join(prefix, os.path.relpath(folder, source)))
        for name in names:
            layer.dir(os.path.join(here, name))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                layer.symlink(os.path.join(here, name), os.readlink(path))
            else:
                with open(path, "rb") as stream:
                    layer.file(os.path.join(here, name), stream.read(), os.stat(path).st_mode & 0o777)
    return layer
