// A tool as an operator might have: it makes no server, and does as its first argument says.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

const [how, file] = process.argv.slice(2)
const request = JSON.parse(await text(process.stdin))
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const connection = {
  host: '10.1.2.3',
  port: 5433,
  adminLogin: 'boss',
  adminPassword: 'p4ss w0rd',
  region: request.region,
  labels: { cloud: 'test' },
  state: { instance: 'i-1' },
}
switch (how) {
  case 'well':
    console.error('Creating the network; password = hunter2, see postgres://me:hunter2@host/db')
    say({ type: 'progress', message: 'half done', fraction: 0.5 })
    say({ type: 'result', connection })
    break
  case 'request':
    appendFileSync(file, `${JSON.stringify({ request, env: process.env, argv: process.argv.slice(2) })}\n`)
    say({ type: 'result', connection })
    break
  case 'exit':
    console.error('no more money')
    process.exit(Number(file))
    break
  case 'gibberish':
    console.log('Done! The password is hunter2')
    break
  case 'twice':
    say({ type: 'result', connection })
    say({ type: 'result', connection })
    break
  case 'nothing':
    break
  case 'wrong':
    say({ type: 'result', connection: { ...connection, [file]: { odd: 'hunter2' } } })
    break
  case 'endless':
    while (process.stdout.writable) if (!process.stdout.write('x'.repeat(65_536))) await once(process.stdout, 'drain')
    break
  case 'stubborn': {
    // Neither it nor its child ends when asked to.
    process.on('SIGTERM', () => {})
    const child = spawn(process.execPath, ['-e', `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`], { stdio: 'inherit' })
    say({ type: 'progress', message: `${process.pid} ${child.pid}` })
    setInterval(() => {}, 1000)
    break
  }
}
