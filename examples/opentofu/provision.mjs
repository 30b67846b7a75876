// Speaks partywall's protocol for a server of a tenant's own (docs/guides/servers.md), and has OpenTofu do the work.
//
//   stdin   one JSON request            stdout   progress lines, then the result            stderr   what went wrong
//
// Each tenant has a directory of its own under PARTYWALL_TOFU_STATE, with its state and its lock: what was begun there is gone on
// with, whoever is killed in between. So `resume` is the same as `acquire`, and both may be repeated.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const refused = 64
const noRoom = 69
const tryLater = 75

const module = dirname(fileURLToPath(import.meta.url))
const { PARTYWALL_TOFU_STATE, PARTYWALL_TOFU_VARIABLES, PARTYWALL_TOFU_DISK_IS_ENCRYPTED, TF_ENCRYPTION, ...inherited } = process.env

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

function end(code, problem) {
  console.error(problem)
  process.exit(code)
}

const request = JSON.parse(await text(process.stdin))
const { action, tenantId, region, plan, labels } = request
if (!['acquire', 'resume', 'destroy'].includes(action)) end(refused, `There is no action ${action}.`)
if (!PARTYWALL_TOFU_STATE) end(refused, 'PARTYWALL_TOFU_STATE is not set: the directory of the state, kept and backed up.')
if (!TF_ENCRYPTION && PARTYWALL_TOFU_DISK_IS_ENCRYPTED !== 'yes') {
  end(refused, 'The state holds passwords. Set TF_ENCRYPTION, or PARTYWALL_TOFU_DISK_IS_ENCRYPTED=yes where the disk is.')
}

const key = createHash('sha256').update(`server:${tenantId}`).digest('hex').slice(0, 24)
const home = resolve(PARTYWALL_TOFU_STATE, key)
const state = join(home, 'terraform.tfstate')
const variables = join(home, 'tenant.tfvars.json')

if (action === 'destroy' && !existsSync(home)) process.exit(0)
await mkdir(home, { recursive: true, mode: 0o700 })
const tags = Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]))
await writeFile(variables, JSON.stringify({ tenant_id: tenantId, server_key: key, region, plan, labels: tags }), { mode: 0o600 })

/** Runs OpenTofu. What it says goes to `onLine`; its exit code comes back. Only what it must know is in its environment. */
async function tofu(args, onLine) {
  const env = {
    ...inherited,
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    TF_DATA_DIR: join(home, '.terraform'),
    ...(TF_ENCRYPTION && { TF_ENCRYPTION }),
  }
  // In our process group: whoever ends us ends it, and it lets go of its lock first.
  const child = spawn('tofu', [`-chdir=${module}`, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  lines.on('line', onLine)
  return await new Promise((done) => {
    child.once('error', (error) => end(refused, `tofu cannot be started: ${error.message}`))
    child.once('close', (code) => done(code ?? 1))
  })
}

// Wait for OpenTofu when we are asked to end: it stops after what it is doing, and writes its state.
process.on('SIGTERM', () => {})

const problems = []

/** One line of `-json`: https://opentofu.org/docs/internals/machine-readable-ui/ */
function report(line) {
  let event
  try {
    event = JSON.parse(line)
  } catch {
    return
  }
  const { '@level': level, '@message': message, type, changes } = event
  if (level === 'error') problems.push(message)
  if (type === 'apply_start' || type === 'apply_progress' || type === 'apply_complete' || type === 'apply_errored') {
    say({ type: 'progress', message })
  } else if (type === 'change_summary' && changes?.operation === 'plan') {
    say({ type: 'progress', message, fraction: 0.1 })
  }
}

/** What the cloud answers that cannot, or can, be cured by waiting. */
function exitWith() {
  const said = problems.join('\n')
  if (/InsufficientDBInstanceCapacity|InstanceQuotaExceeded|StorageQuotaExceeded/.test(said)) end(noRoom, said)
  if (/state lock|Throttling|RequestLimitExceeded|timeout|connection reset/i.test(said)) end(tryLater, said)
  if (/Invalid index|Invalid value|InvalidParameter/.test(said)) end(refused, said)
  end(1, said || 'tofu failed without a word.')
}

const where = [`-state=${state}`, `-var-file=${variables}`]
if (PARTYWALL_TOFU_VARIABLES) where.push(`-var-file=${resolve(PARTYWALL_TOFU_VARIABLES)}`)

say({ type: 'progress', message: 'Preparing OpenTofu', fraction: 0 })
const prepared = []
if ((await tofu(['init', '-input=false', '-no-color'], (line) => prepared.push(line))) !== 0) end(tryLater, prepared.slice(-5).join('\n'))
const verb = action === 'destroy' ? 'destroy' : 'apply'
if ((await tofu([verb, '-auto-approve', '-input=false', '-json', '-lock-timeout=60s', ...where], report)) !== 0) exitWith()

if (action === 'destroy') {
  await rm(home, { recursive: true, force: true })
} else {
  const printed = []
  if ((await tofu(['output', '-json', `-state=${state}`], (line) => printed.push(line))) !== 0) end(1, 'tofu has no outputs.')
  const outputs = JSON.parse(printed.join('\n'))
  const { host, port, admin_login, admin_password, instance } = Object.fromEntries(
    Object.entries(outputs).map(([name, { value }]) => [name, value]),
  )
  const connection = {
    host,
    port,
    adminLogin: admin_login,
    adminPassword: admin_password,
    region,
    labels: { cloud: 'aws' },
    state: { instance },
  }
  say({ type: 'result', connection })
}
