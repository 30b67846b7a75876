// Installs what is missing, so that `npm start` and `npm test` work on a fresh clone. Run before them by npm; runs on any Node
// >= 20, while everything after it runs on the Node that package.json pins (node_modules/.bin/node comes first in npm's PATH).
// When nothing is missing it reads two files and is done.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinnedNode = join(root, 'node_modules', '.bin', 'node')
const lock = join(root, '.setup-lock')

if (!isComplete()) await alone(install)

/** Is every package of package-lock.json that this platform needs there, in its version, and the pinned Node with them? */
function isComplete() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {}
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages
  if (installed === undefined) return false
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) continue
    const found = installed[path]
    if (found === undefined && entry.optional) continue
    if (found === undefined || found.version !== entry.version || !existsSync(join(root, path))) return false
  }
  return isPinnedNode()
}

function isPinnedNode() {
  const wanted = readJson(join(root, 'node_modules', 'node', 'package.json'))?.version
  const { stdout, status } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' })
  return status === 0 && stdout.trim() === `v${wanted}`
}

function install() {
  // Another run may have installed everything while this one waited.
  if (isComplete()) return
  console.error('partywall: installing what is missing (npm install) …')
  // Not `npm ci`: it refuses a lock file without the optional binaries of platforms that the lock's author could not reach.
  // What package-lock.json pins is installed as pinned, and the file is not written (--no-save).
  // Flags win over whatever the environment and .npmrc files say: without the development packages nothing here runs.
  const flags = [
    '--include=dev',
    '--include=optional',
    '--ignore-scripts=false',
    '--engine-strict=false',
    '--global=false',
    '--dry-run=false',
  ]
  npm(['install', '--no-save', ...flags, '--package-lock=true', '--no-audit', '--no-fund', '--loglevel=error'])
  // Some installers hold back a package's script until it is approved: the pinned Node's only puts its binary in place.
  const installer = join(root, 'node_modules', 'node', 'installArchSpecificPackage.js')
  if (!isPinnedNode() && existsSync(installer)) execFileSync(process.execPath, [installer], { cwd: dirname(installer), stdio: quiet() })
  if (!isPinnedNode()) fail(`node_modules/.bin/node is not the pinned Node. Delete node_modules and try again.`)
}

function npm(args) {
  const { npm_execpath: npmCli, ...env } = process.env
  const [command, ...first] = npmCli?.endsWith('.js') ? [process.execPath, npmCli] : ['npm']
  const { status, error } = spawnSync(command, [...first, ...args], { cwd: root, stdio: quiet(), env: { ...env, NODE_ENV: 'development' } })
  if (status !== 0) fail(`npm ${args[0]} failed${error ? `: ${error.message}` : ''}.`)
}

/** What npm says goes to stderr: stdout belongs to the command that follows. */
function quiet() {
  return ['ignore', 2, 2]
}

/** Two first runs at the same time take turns. */
async function alone(fn) {
  const waitMaxMs = 600_000
  for (let waitedMs = 0; !tryLock(); waitedMs += 500) {
    if (waitedMs >= waitMaxMs) fail(`another set-up has been running for ${waitMaxMs / 1000} s. If it has not, delete ${lock}.`)
    await delay(500)
  }
  const unlock = () => rmSync(lock, { recursive: true, force: true })
  process.once('exit', unlock)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  fn()
}

function tryLock() {
  try {
    mkdirSync(lock)
    writeFileSync(join(lock, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  if (isAbandoned()) rmSync(lock, { recursive: true, force: true })
  return false
}

/** Its owner was killed, or before it could even write down who it was. */
function isAbandoned() {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'))
    process.kill(pid, 0)
    return false
  } catch (error) {
    if (error.code === 'ESRCH') return true
    const made = statSync(lock, { throwIfNoEntry: false })
    return error.code === 'ENOENT' && made !== undefined && Date.now() - made.mtimeMs > 5_000
  }
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function fail(reason) {
  console.error(`partywall: ${reason}`)
  process.exit(1)
}
