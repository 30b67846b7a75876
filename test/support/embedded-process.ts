// A process of its own that runs an embedded server, for tests that kill it. It ends at the end of its input, or at once when told `exit`.

import { startEmbeddedServer } from '../../src/postgres/embedded.ts'

const [directory, then, binDirectory] = process.argv.slice(2)
if (directory === undefined) process.exit(2)
const { superuserUrl, port, dataDirectory } = await startEmbeddedServer({ directory, binDirectory, settings: { fsync: 'off' } })
process.stdout.write(`${JSON.stringify({ superuserUrl, port, dataDirectory })}\n`)
if (then !== 'exit') process.stdin.resume()
