// Two servers made equally full, from the command line, while nobody's rows are lost.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { cliFleet } from '../support/cli-fleet.ts'

interface Line {
  readonly kind: string
  readonly state?: string
  readonly after?: number
  readonly server?: string
  readonly moves?: number
}

test('a rebalance moves half of the schemas to the empty server; made again it is empty; a drained server is emptied', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-rebalance-'))
  const second = await startEmbeddedServer({ directory, settings: { fsync: 'off', shared_buffers: '32MB' } })
  t.after(async () => {
    await second.stop()
    await rm(directory, { recursive: true, force: true })
  })
  const cli = await cliFleet()
  try {
    const withUrl = (url: string) => ({ env: { ...cli.env, PARTYWALL_SERVER_URL: url } })
    for (const [url, words] of [
      [cli.catalog.urls.superuser, ['server', 'adopt-main']],
      [second.superuserUrl, ['server', 'add', 'pg-2', '--region', 'default']],
    ] as const) {
      const ran = await cli.runOver(withUrl(url), ...words)
      assert.equal(ran.code, 0, ran.err)
    }
    await cli.json('database', 'create', `${cli.catalog.name}_schemas`, '--server', 'main')
    for (const slug of ['acme', 'globex', 'hooli', 'initech']) await cli.json('tenant', 'create', slug, '--isolation', 'schema')
    const words = ['move', 'rebalance', '--by', 'tenants'] as const
    const last = async (...more: readonly string[]) => await cli.json<Line>(...words, ...more)
    assert.equal((await last()).moves, 0, 'no database holds schemas there yet')
    await cli.json('database', 'create', `${cli.catalog.name}_schemas2`, '--server', 'pg-2')

    const lines = await cli.rows<Line>(...words, '--execute', '--soak', '0s', '--reason', 'even')
    const weights = lines.filter(({ kind }) => kind === 'weight').map(({ server, after }) => [server, after])
    assert.deepEqual(weights, [
      ['main', 2],
      ['pg-2', 2],
    ])
    assert.deepEqual(
      lines.filter(({ kind }) => kind === 'result').map(({ state }) => state),
      ['done', 'done'],
    )
    const serverOf = async (slug: string) => (await cli.json<{ placement: { server: string } }>('tenant', 'show', slug)).placement.server
    const homes = await Promise.all(['acme', 'globex', 'hooli', 'initech'].map(serverOf))
    assert.equal(homes.filter((home) => home === 'pg-2').length, 2)
    assert.equal((await last()).moves, 0)

    await cli.json('server', 'drain', 'pg-2', '--reason', 'old')
    assert.equal((await last('--execute', '--soak', '0s', '--reason', 'old')).state, 'done')
    const { tables } = (await cli.json<{ facts: { tables: readonly { rows: number }[] } }>('tenant', 'show', 'acme', '--facts')).facts
    assert.deepEqual([await serverOf('acme'), tables.map(({ rows }) => rows)], ['main', [1]])
    assert.deepEqual(
      (await cli.rows<{ name: string; tenants: number }>('server', 'list')).map(({ name, tenants }) => [name, tenants]),
      [
        ['main', 4],
        ['pg-2', 0],
      ],
    )
  } finally {
    await cli.strike()
  }
})
