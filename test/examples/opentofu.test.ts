// The OpenTofu example speaks the protocol: its wrapper is run by the provisioner, with a tofu that makes nothing.

import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ProvisionerProgress } from '../../src/core/provisioner.ts'
import { CapacityError, ProvisionerError } from '../../src/errors.ts'
import { command } from '../../src/provisioners/command.ts'

const wrapper = fileURLToPath(new URL('../../examples/opentofu/provision.mjs', import.meta.url))

/** Answers as tofu does, notes how it was called, and fails at `apply` with the text in the file `fail`. */
const fakeTofu = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync } = require('node:fs')
const [chdir, verb, ...args] = process.argv.slice(2)
const file = args.map((arg) => /^-var-file=(.*tenant.tfvars.json)$/.exec(arg)?.[1]).find(Boolean)
const variables = file && JSON.parse(readFileSync(file, 'utf8'))
appendFileSync(__dirname + '/calls', JSON.stringify({ verb, args: args.map((arg) => arg.split('=')[0]), variables, secret: process.env.DATABASE_URL }) + '\\n')
const say = (event) => console.log(JSON.stringify(event))
if (verb === 'apply' || verb === 'destroy') {
  say({ '@level': 'info', '@message': 'Plan: 3 to add, 0 to change, 0 to destroy.', type: 'change_summary', changes: { operation: 'plan' } })
  say({ '@level': 'info', '@message': 'aws_db_instance.this: Creating...', type: 'apply_start' })
  if (existsSync(__dirname + '/fail')) {
    say({ '@level': 'error', '@message': readFileSync(__dirname + '/fail', 'utf8'), type: 'diagnostic' })
    process.exit(1)
  }
}
const outputs = { host: 'db-1.example', port: 5432, admin_login: 'partywall_admin', admin_password: 'p4ssw0rd', instance: 'partywall-1' }
if (verb === 'output') console.log(JSON.stringify(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { value }])), null, 2))
`

const request = {
  tenantId: '018f0000-0000-7000-8000-000000000001' as never,
  region: 'eu',
  plan: 'enterprise',
  labels: { team: 7 },
  operationId: 'op-1',
}

async function workshop(t: TestContext, environment: Record<string, string> = { PARTYWALL_TOFU_DISK_IS_ENCRYPTED: 'yes' }) {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-tofu-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const [bin, state] = [join(directory, 'bin'), join(directory, 'state')]
  await mkdir(bin)
  // Whatever kind of package lies above the folder of temporary files.
  await writeFile(join(bin, 'package.json'), '{ "type": "commonjs" }')
  await writeFile(join(bin, 'tofu'), fakeTofu)
  await chmod(join(bin, 'tofu'), 0o755)
  const provisioner = command({
    argv: [process.execPath, wrapper],
    environment: { PATH: bin, PARTYWALL_TOFU_STATE: state, DATABASE_URL: 'secret', ...environment },
    pass: ['PATH', 'PARTYWALL_TOFU_STATE', 'PARTYWALL_TOFU_DISK_IS_ENCRYPTED'],
    timeoutMs: 60_000,
  })
  const calls = async () =>
    (await readFile(join(bin, 'calls'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  return { provisioner, calls, state, failWith: (text: string) => writeFile(join(bin, 'fail'), text), mend: () => rm(join(bin, 'fail')) }
}

test('the OpenTofu example makes a server, resumes, and destroys it', async (t) => {
  const { provisioner, calls, state } = await workshop(t)
  const progress: ProvisionerProgress[] = []
  const connection = await provisioner.acquire(request, { onProgress: (each) => progress.push(each) })
  assert.deepEqual(connection, {
    host: 'db-1.example',
    port: 5432,
    adminLogin: 'partywall_admin',
    adminPassword: 'p4ssw0rd',
    region: 'eu',
    labels: { cloud: 'aws' },
    state: { instance: 'partywall-1' },
  })
  assert.deepEqual(progress, [
    { message: 'Preparing OpenTofu', fraction: 0 },
    { message: 'Plan: 3 to add, 0 to change, 0 to destroy.', fraction: 0.1 },
    { message: 'aws_db_instance.this: Creating...' },
  ])
  assert.deepEqual(await provisioner.resume(request), connection)
  assert.equal((await readdir(state)).length, 1)
  await provisioner.destroy(request, connection.state)
  assert.deepEqual(await readdir(state), [])
  await provisioner.destroy(request, connection.state)
  const made = await calls()
  assert.deepEqual(
    made.map(({ verb }) => verb),
    ['init', 'apply', 'output', 'init', 'apply', 'output', 'init', 'destroy'],
  )
  const { tenant_id, region, plan, labels, server_key } = made[1].variables
  assert.deepEqual([tenant_id, region, plan, labels], [request.tenantId, 'eu', 'enterprise', { team: '7' }])
  assert.match(server_key, /^[0-9a-f]{24}$/)
  assert.ok(made.every(({ secret }) => secret === undefined))
})

test('the OpenTofu example tells no room from bad luck and from a mistake', async (t) => {
  const { provisioner, failWith, mend } = await workshop(t)
  await failWith('InsufficientDBInstanceCapacity: none left')
  await assert.rejects(provisioner.acquire(request), CapacityError)
  await failWith('Error acquiring the state lock')
  await assert.rejects(provisioner.acquire(request), (error: unknown) => error instanceof ProvisionerError && error.retryable)
  await failWith('Something nobody has seen before')
  await assert.rejects(provisioner.acquire(request), (error: unknown) => error instanceof ProvisionerError && !error.retryable)
  await mend()
  assert.equal((await provisioner.resume(request)).host, 'db-1.example')
})

test('the OpenTofu example refuses to write passwords to a disk that is not said to be encrypted', async (t) => {
  const { provisioner } = await workshop(t, {})
  await assert.rejects(provisioner.acquire(request), /The state holds passwords/)
})
