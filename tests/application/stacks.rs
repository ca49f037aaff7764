//! The kinds of application on the page, each as small as it may be: `/healthz` or `/up`, `/version`, and `/slow`, which
//! takes a second. Where the page has code of theirs, it stands for TOLD.

/// A kind of application.
pub(crate) struct Stack {
    /// Its heading on the page.
    pub(crate) heading: &'static str,
    /// The language of its code on the page.
    pub(crate) language: &'static str,
    /// Its files, by name.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What makes a release of them, in their folder.
    pub(crate) build: &'static str,
}

/// A command for Debian's packages, where that differs: a language is a plugin of its uWSGI.
pub(crate) fn as_debian_has_it(line: &str) -> String {
    line.replace("-- uwsgi ", "-- uwsgi --plugin python3 ")
}

const DJANGO: &[(&str, &str)] = &[
    ("shop/__init__.py", ""),
    (
        "shop/settings.py",
        "SECRET_KEY = 'x'\nDEBUG = False\nALLOWED_HOSTS = ['127.0.0.1']\nROOT_URLCONF = 'shop.urls'\n",
    ),
    (
        "shop/urls.py",
        "import time\nfrom django.http import HttpResponse\nfrom django.urls import path\n
def slow(_):
    time.sleep(1)
    return HttpResponse('slow')\n
urlpatterns = [
    path('healthz', lambda _: HttpResponse('ok')),
    path('version', lambda _: HttpResponse('VERSION')),
    path('slow', slow),
]
",
    ),
    (
        "shop/wsgi.py",
        "import os\nfrom django.core.wsgi import get_wsgi_application\n
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')
application = get_wsgi_application()
",
    ),
];

/// Debian's gunicorn stands for the one that pip would install there.
const VENV: &str =
    "/usr/bin/python3 -m venv --without-pip --system-site-packages venv && ln -s /usr/bin/gunicorn venv/bin/";

const RACK: &str = "run lambda { |env|
  sleep 1 if env['PATH_INFO'] == '/slow'
  body = { '/version' => 'VERSION', '/slow' => 'slow' }.fetch(env['PATH_INFO'], 'ok')
  [200, { 'content-type' => 'text/plain' }, [body]]
}
";

/// All of them. Of Rails there is what its servers see of it, a Rack application.
pub(crate) const STACKS: [Stack; 6] = [
    Stack {
        heading: "## Node",
        language: "js",
        files: &[(
            "server.js",
            "const server = require('http').createServer((request, response) => {
  if (request.url === '/slow') return setTimeout(() => response.end('slow'), 1000);
  response.end(request.url === '/version' ? 'VERSION' : 'ok');
});
TOLD",
        )],
        build: "",
    },
    Stack { heading: "## Django", language: "python", files: DJANGO, build: VENV },
    Stack { heading: "## Django with uWSGI", language: "python", files: DJANGO, build: VENV },
    Stack {
        heading: "## Rails",
        language: "ruby",
        files: &[("Gemfile", "gem 'puma'\n"), ("config.ru", RACK)],
        build: "",
    },
    Stack {
        heading: "## Rails with unicorn",
        language: "ruby",
        files: &[("Gemfile", "gem 'unicorn'\ngem 'rack'\n"), ("config.ru", RACK)],
        build: "",
    },
    Stack {
        heading: "## Go",
        language: "go",
        files: &[
            ("go.mod", "module shop\n"),
            (
                "main.go",
                "package main\n
import (
\t\"context\"
\t\"io\"
\t\"net/http\"
\t\"os\"
\t\"os/signal\"
\t\"syscall\"
\t\"time\"
)\n
func main() {
\thttp.HandleFunc(\"/healthz\", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, \"ok\") })
\thttp.HandleFunc(\"/version\", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, \"VERSION\") })
\thttp.HandleFunc(\"/slow\", func(w http.ResponseWriter, _ *http.Request) {
\t\ttime.Sleep(time.Second)
\t\tio.WriteString(w, \"slow\")
\t})
TOLD}
",
            ),
        ],
        build: "GOCACHE=$PWD/cache go build -o server .",
    },
];
