# SPDX-License-Identifier: Apache-2.0
"""What a monitoring system reads: the file for a Prometheus collector, of a single pass and of the agent."""
import shutil

import pytest
from processes import wait_until
from prometheus_client.parser import text_string_to_metric_families
from renewd import NAME, certificate, nginx_target
from test_agent import fixture_start_agent, wait_for_state  # noqa: F401  pylint: disable=unused-import


def samples_in(path):
    """Every sample as (name, labels) → value, read by Prometheus' own parser."""
    return {(sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(path.read_text()) for sample in family.samples}


def value(path, name, **labels):
    return samples_in(path).get((name, frozenset(labels.items())))


@pytest.fixture(name='metrics')
def fixture_metrics(renewd):
    directory = renewd.directory / 'collected'
    directory.mkdir()
    return directory / 'renewd.prom'


def write(renewd, metrics, *certificates):
    renewd.configure(*certificates)
    text = renewd.config.read_text()
    assert '[agent]\n' in text
    renewd.config.write_text(text.replace('[agent]\n', f'[agent]\nmetrics_file = "{metrics}"\n', 1))


def test_a_single_pass_writes_what_it_has_done_and_seen(renewd, nginx, metrics):
    """Served until when, what was tried and how it ended; the next pass counts on; a failed deployment shows."""
    write(renewd, metrics, certificate(nginx_target(nginx)))
    renewd.run('run', '--once')
    served = value(metrics, 'renewd_served_not_after_seconds', certificate=NAME, target='web', host='')
    assert served == value(metrics, 'renewd_certificate_not_after_seconds', certificate=NAME, ca='test') > 0
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving') >= 1
    assert value(metrics, 'renewd_attempts_total', step='order', result='ok') == 1
    assert value(metrics, 'renewd_attempts_total', step='deploy', result='ok') == 1
    assert value(metrics, 'renewd_config_ok') == 1
    assert value(metrics, 'renewd_store_free_bytes') > 0
    assert value(metrics, 'renewd_attention', certificate=NAME, severity='warning') == 0
    assert metrics.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in metrics.parent.iterdir()] == [metrics.name]
    renewd.run('renew', NAME, '--force')
    nginx.stop()
    renewd.run('verify', NAME)
    renewd.run('run', '--once')
    assert value(metrics, 'renewd_attempts_total', step='order', result='ok') == 1, 'of passes, and not of what is done by hand'
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='unreachable') >= 1
    assert value(metrics, 'renewd_attention', certificate=NAME, severity='warning') == 1


def test_a_single_pass_shows_that_its_files_are_broken(renewd, nginx, metrics):
    """It works by those that were accepted last, and a monitor sees that these are not the ones that are there."""
    write(renewd, metrics, certificate(nginx_target(nginx)))
    renewd.run('run', '--once')
    assert value(metrics, 'renewd_config_ok') == 1
    good = renewd.config.read_text()
    renewd.config.write_text(good + 'broken')
    renewd.run('run', '--once')
    assert value(metrics, 'renewd_config_ok') == 0
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving') >= 1
    renewd.config.write_text(good)
    renewd.run('run', '--once')
    assert value(metrics, 'renewd_config_ok') == 1


def test_the_agent_shows_what_changes_and_that_its_files_are_broken(renewd, nginx, metrics, start_agent):
    """Certificates that nothing is due for are shown after a start, too; a broken file is told; one that is gone is shown no more."""
    write(renewd, metrics, certificate(nginx_target(nginx)))
    first = start_agent()
    wait_for_state(renewd, 'ok')
    wait_until(lambda: metrics.exists() and value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving'), 'it to be shown')
    first.stop()
    metrics.unlink()
    agent = start_agent()
    wait_until(metrics.exists, 'the file')
    assert value(metrics, 'renewd_served_not_after_seconds', certificate=NAME, target='web', host='') > 0
    good = renewd.config.read_text()
    renewd.config.write_text(good + 'broken')
    agent.hang_up()
    wait_until(lambda: value(metrics, 'renewd_config_ok') == 0, 'the metric to say so')
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving') >= 1
    agent.stop()
    metrics.unlink()
    agent = start_agent()
    wait_until(metrics.exists, 'the file')
    assert value(metrics, 'renewd_config_ok') == 0, 'of a start with broken files, too'
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving') >= 1
    renewd.config.write_text(good[:good.index('[certificate.')])
    agent.hang_up()
    wait_until(lambda: value(metrics, 'renewd_config_ok') == 1, 'the metric to say so')
    assert value(metrics, 'renewd_endpoints', certificate=NAME, verdict='serving') is None


def test_a_file_that_cannot_be_written_stops_nothing(renewd, nginx, metrics, start_agent):
    """It is told in the log, and certificates are renewed all the same."""
    shutil.rmtree(metrics.parent)
    write(renewd, metrics, certificate(nginx_target(nginx)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    agent.wait_for(f'metrics file: ')
    assert str(metrics) in agent.log or metrics.name in agent.log
