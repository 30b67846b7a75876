// The network between the servers is cut in the middle of a switch, and nobody is told.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TenancyError } from '../../src/errors.ts'
import { moveStage } from '../support/move-stage.ts'
import { TcpProxy } from '../support/proxy.ts'

test('a target that falls silent at the switch is given up, and the tenant writes on; when it is back, it is switched', async (t) => {
  let proxy: TcpProxy | undefined
  const stage = await moveStage(async (url) => {
    proxy = await TcpProxy.start(t, url)
    return proxy.url
  })
  try {
    await stage.tenant('acme', 'pooled', 20)
    await stage.fleet.moves.start('acme', { to: 'server', fenceMs: 500 }, { reason: 'Contract 4711.' })
    await stage.fleet.moves.verify('acme')
    proxy!.refuse()
    proxy!.freeze()
    const switched = stage.fleet.moves.switch('acme')
    const refused = assert.rejects(switched, (error) => error instanceof TenancyError && error.retryable)
    // In whichever moment it is, a write waits for a fence at the most.
    for (let i = 0; i < 10; i++) await stage.insert('acme', `written in the dark ${i}`)
    await refused
    const { move } = await stage.fleet.moves.status('acme')
    assert.deepEqual([move.state, move.serving], ['following', 'source'])
    await stage.insert('acme', 'written after it')
    proxy!.accept()
    proxy!.cut()
    assert.equal((await stage.fleet.moves.switch('acme')).serving, 'target')
    assert.equal(await stage.count('acme'), 31)
    assert.equal((await stage.fleet.moves.complete('acme')).state, 'done')
    assert.deepEqual(await stage.leftovers(), [])
  } finally {
    proxy?.accept()
    proxy?.cut()
    await stage.strike()
  }
})
