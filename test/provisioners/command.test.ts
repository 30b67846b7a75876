// The operator's own tool: what it is told, what it may answer, and how it ends.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ProvisionerProgress } from '../../src/core/provisioner.ts'
import { AbortedError, CapacityError, ConfigurationError, ProvisionerError } from '../../src/errors.ts'
import { type CommandOptions, command } from '../../src/provisioners/command.ts'
import { masked } from '../../src/provisioners/command-answer.ts'

const tool = fileURLToPath(new URL('./tool.mjs', import.meta.url))
const request = {
  tenantId: '018f0000-0000-7000-8000-000000000001' as never,
  region: 'eu',
  plan: 'enterprise',
  labels: { size: '$(reboot); "large"' },
  operationId: 'op-1',
}
const connection = {
  host: '10.1.2.3',
  port: 5433,
  adminLogin: 'boss',
  adminPassword: 'p4ss w0rd',
  region: 'eu',
  labels: { cloud: 'test' },
  state: { instance: 'i-1' },
}

function made(args: readonly string[], options: Partial<CommandOptions> = {}) {
  return command({ argv: [process.execPath, tool, ...args], environment: process.env, timeoutMs: 60_000, ...options })
}

describe('a tool', () => {
  test('that does well gives a connection, and its progress is passed on without what looks like a password', async () => {
    const progress: ProvisionerProgress[] = []
    const given = await made(['well']).acquire(request, { onProgress: (each) => progress.push(each) })
    assert.deepEqual(given, connection)
    assert.deepEqual(
      progress.toSorted((a, b) => a.message.localeCompare(b.message)),
      [{ message: 'Creating the network; password = ***, see postgres://me:***@host/db' }, { message: 'half done', fraction: 0.5 }],
    )
  })

  test('is told everything on its input, nothing in its arguments, and of the environment what is passed', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'partywall-tool-'))
    t.after(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'calls')
    const provisioner = made(['request', file], {
      environment: { PATH: process.env['PATH'], CLOUD_KEY: 'k', DATABASE_URL: 'secret' },
      pass: ['PATH', 'CLOUD_KEY', 'MISSING'],
    })
    await provisioner.acquire(request)
    await provisioner.resume(request)
    await provisioner.destroy(request, { instance: 'i-1' })
    const calls = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      calls.map((call) => call.request),
      [
        { action: 'acquire', ...request },
        { action: 'resume', ...request },
        { action: 'destroy', ...request, state: { instance: 'i-1' } },
      ],
    )
    for (const { env, argv } of calls) {
      assert.equal(env.CLOUD_KEY, 'k')
      assert.ok(!('DATABASE_URL' in env))
      assert.deepEqual(argv, ['request', file])
    }
  })

  for (const [code, cls, retryable] of [
    [1, ProvisionerError, false],
    [64, ProvisionerError, false],
    [69, CapacityError, false],
    [75, ProvisionerError, true],
  ] as const)
    test(`that ends with exit code ${code} is understood`, async () => {
      await assert.rejects(made(['exit', String(code)]).acquire(request), (error: Error & { retryable?: boolean }) => {
        assert.ok(error instanceof cls, error.message)
        assert.equal(error.retryable, retryable)
        assert.match(error.message, /no more money/)
        return true
      })
    })

  for (const [name, args, message] of [
    ['prints what is no JSON', ['gibberish'], /Line 1 of the tool's output is not a JSON object/],
    ['goes on after its result', ['twice'], /comes after the result/],
    ['prints nothing', ['nothing'], /printed no result/],
    ['never stops printing', ['endless'], /prints too much/],
    ...['host', 'port', 'adminLogin', 'adminPassword', 'region'].map(
      (field) => [`gives an unusable ${field}`, ['wrong', field], new RegExp(`no usable ${field}`)] as const,
    ),
  ] as const)
    test(`that ${name} is refused, and not quoted`, async () => {
      await assert.rejects(made(args).acquire(request), (error: Error) => {
        assert.ok(error instanceof ProvisionerError)
        assert.match(error.message, message)
        assert.ok(!JSON.stringify([error.message, error]).includes('hunter2'))
        return true
      })
    })

  test('that is not there is a mistake in the settings', async () => {
    await assert.rejects(command({ argv: ['/nonexistent/tool'], environment: {} }).acquire(request), ConfigurationError)
    assert.throws(() => command({ argv: [''], environment: {} }), ConfigurationError)
  })
})

describe('a tool that does not end', () => {
  /** Both processes of the stubborn tool, once it has told. */
  const stubborn = async (end: 'abort' | 'timeout') => {
    const controller = new AbortController()
    const pids: number[] = []
    const provisioner = made(['stubborn'], { graceMs: 200, ...(end === 'timeout' && { timeoutMs: 1_500 }) })
    const run = provisioner.acquire(request, {
      signal: controller.signal,
      onProgress: ({ message }) => {
        pids.push(...message.split(' ').map(Number))
        if (end === 'abort') controller.abort()
      },
    })
    const error = await run.then(
      () => undefined,
      (reason: Error) => reason,
    )
    return { error, pids }
  }

  test('is ended with all that it started when its caller gives up', async () => {
    const { error, pids } = await stubborn('abort')
    assert.ok(error instanceof AbortedError)
    assert.equal(pids.length, 2)
    await gone(pids)
  })

  test('is ended when its time is up, and may be resumed', async () => {
    const { error, pids } = await stubborn('timeout')
    assert.ok(error instanceof ProvisionerError && error.retryable)
    await gone(pids)
  })

  test('is not started at all for a caller who has given up already', async () => {
    await assert.rejects(made(['well']).acquire(request, { signal: AbortSignal.abort() }), AbortedError)
  })
})

test('lines for people lose what looks like a password', () => {
  for (const [line, expected] of [
    ['token: abc def', 'token: *** def'],
    ['"adminPassword": "a b", more', '"adminPassword": ***, more'],
    ['secret=a;next', 'secret=***;next'],
    ['https://user:pa:ss@host/', 'https://user:***@host/'],
    ['plain words about a password', 'plain words about a password'],
    ['bell \u0007', 'bell  '],
  ] as const)
    assert.equal(masked(line), expected)
})

/** A killed process of somebody else's is collected a moment later; until then it is a zombie. */
async function gone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    for (;;) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined)
      if (status === undefined || /^State:\s*Z/m.test(status)) break
    }
  }
}
