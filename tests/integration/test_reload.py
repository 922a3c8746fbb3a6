# SPDX-License-Identifier: Apache-2.0
"""A reload's exit status proves nothing: what is seen in handshakes does."""
from processes import wait_until
from renewd import NAME, certificate, nginx_target
from tls import leaf_of, served


def reloads(nginx):
    """How often the counting reload script was run."""
    file = nginx.directory / 'reloads'
    return file.read_text().count('reload') if file.exists() else 0


def test_reload_that_silently_does_nothing_and_heals(renewd, pebble, nginx):
    """The files stay new, the reload is tried again within verify_for, installed 2 and serving 1 are told as stale, exit 5; after the real
    reload the next run finds it served, without writing a file or ordering."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    nothing = nginx.script('nothing', 'echo reload >>reloads')
    renewd.configure(certificate(nginx_target(nginx, reload=nothing, restart=[], verify_for='4s')))
    outcome = renewd.run('renew', NAME, '--force', expect=5)
    second = leaf_of(renewd.live() / 'cert.pem').sha256
    assert second != first and served(nginx.port, NAME).sha256 == first
    assert reloads(nginx) >= 2, 'the reload was tried again'
    target = renewd.target('web')
    assert (target['state'], target['installed'], target['serving']) == ('stale', 2, 1)
    assert target['endpoints'][0]['verdict'] == 'stale' and target['last_error']['code'] == 'verify/stale'
    assert 'still serves' in outcome.text and f'127.0.0.1:{nginx.port}' in outcome.text
    assert renewd.run('verify', NAME).code == 5
    before, orders = nginx.published(), pebble.orders()
    nginx.reload()
    wait_until(lambda: served(nginx.port, NAME).sha256 == second, 'the real reload')
    renewd.run('run', '--once', expect=0)
    assert nginx.published() == before and pebble.orders() == orders == 2
    target = renewd.target('web')
    assert (target['state'], target['installed'], target['serving']) == ('serving', 2, 2)


def test_service_that_dies_at_the_reload_comes_back(renewd, nginx):
    """nginx is gone after the reload: the old files come back, it is started again, and serves the old certificate; exit 4."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first, before = served(nginx.port, NAME).sha256, nginx.include.read_text()
    deadly = nginx.script('deadly', '$NGINX -s stop')
    renewd.configure(certificate(nginx_target(nginx, reload=deadly, verify_for='5s')))
    renewd.run('renew', NAME, '--force', expect=4)
    assert nginx.is_alive()
    assert served(nginx.port, NAME).sha256 == first and nginx.include.read_text() == before
    target = renewd.target('web')
    assert (target['installed'], target['serving']) == (1, 1)
    assert target['last_error']['code'] == 'deploy/restored'


def test_reload_that_fails(renewd, nginx):
    """The reload command says no: told with its words; nginx goes on with the old one, the proven new files stay."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    refusing = nginx.script('refusing', 'echo "no permission to reload" >&2; exit 3')
    renewd.configure(certificate(nginx_target(nginx, reload=refusing, restart=[], verify_for='2s')))
    outcome = renewd.run('renew', NAME, '--force')
    assert outcome.code in (4, 5) and 'no permission to reload' in outcome.text
    assert served(nginx.port, NAME).sha256 == first
    assert renewd.target('web')['last_error']['code'] in ('deploy/reload-failed', 'verify/stale')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 != first


def test_reload_that_hangs_is_ended_with_all_its_children(renewd, nginx):
    """A reload that never returns, and a child of it: both gone after the deadline; the rest is told."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    hanging = nginx.script('hanging', 'echo $$ >pid; sleep 300 & echo $! >child; sleep 300')
    renewd.configure(certificate(nginx_target(nginx, reload=hanging, restart=[], verify_for='2s')))
    assert renewd.run('renew', NAME, '--force', timeout=120).code in (4, 5)
    for file in ('pid', 'child'):
        pid = int((nginx.directory / file).read_text())
        wait_until(lambda pid=pid: not is_running(pid), f'the {file} to be ended', 5)


def is_running(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            return stat.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def test_verify_looks_at_every_address_and_sees_a_stranger(renewd, make_nginx):
    """Two addresses, one of which somebody else answers: partial, exit 5, and the address is named."""
    nginx, stranger = make_nginx('nginx'), make_nginx('stranger')
    endpoints = [f'https://{NAME}:{server.port}?address=127.0.0.1:{server.port}' for server in (nginx, stranger)]
    renewd.configure(certificate(nginx_target(nginx, endpoints=endpoints, verify_for='2s')))
    renewd.run('renew', expect=5)
    verdicts = {one['endpoint']: one['verdict'] for one in renewd.target('web')['endpoints']}
    assert verdicts[endpoints[0]] == 'serving' and verdicts[endpoints[1]] in ('unreachable', 'foreign')
    assert renewd.target('web')['state'] == 'partial'
    assert f'127.0.0.1:{stranger.port}' in renewd.run('verify', NAME, expect=5).text


def test_endpoint_without_an_address_is_where_dns_says(make_pebble, make_renewd, name_server, nginx):
    """[dns] servers are asked for A and AAAA; when nobody answers any more, nothing is called serving, and nothing is a drift."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    name_server.address_of(NAME, '127.0.0.1')
    renewd.configure(name_server.dns_toml, certificate(nginx_target(nginx, endpoints=[f'https://{NAME}:{nginx.port}'])))
    renewd.run('renew', expect=0)
    assert [(one['address'], one['verdict']) for one in renewd.target('web')['endpoints'][0]['addresses']] == [(f'127.0.0.1:{nginx.port}', 'serving')]
    name_server.stop()
    outcome = renewd.run('verify', expect=5)
    assert f'{NAME} AAAA' in outcome.text and 'no DNS resolver answers' in outcome.text
    seen = renewd.target('web')
    assert seen['state'] == 'failing' and seen['endpoints'][0]['verdict'] == 'unresolved'
    assert {one['address'] for one in seen['endpoints'][0]['addresses']} == {f'{NAME} A', f'{NAME} AAAA'}


def test_endpoints_of_the_certificate_are_judged_after_its_targets(renewd, make_nginx):
    """The public name is answered by a machine that nobody deploys to: unserved, exit 5, nothing is redeployed."""
    nginx, balancer = make_nginx('nginx'), make_nginx('balancer')
    renewd.configure(certificate(nginx_target(nginx), endpoints=[f'tls://{NAME}:{balancer.port}?address=127.0.0.1:{balancer.port}']))
    renewd.run('renew', expect=5)
    seen = renewd.certificate()
    assert seen['state'] == 'unserved' and seen['targets'][0]['state'] == 'serving'
    assert seen['endpoints'][0]['verdict'] == 'unreachable'
