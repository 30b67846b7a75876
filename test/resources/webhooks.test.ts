// Webhooks: what is signed verifies, and nothing is sent to where the public cannot be.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { ConfigurationError, InvalidInputError, WebhookFailedError, WebhookRefusedError } from '../../src/errors.ts'
import { isAllowedAddress, listOf } from '../../src/resources/webhooks/public-address.ts'
import { WebhookSender, type WebhookSenderOptions } from '../../src/resources/webhooks/webhook-sender.ts'
import { newWebhookSecret, signWebhook, verifyWebhook } from '../../src/resources/webhooks/webhook-signature.ts'
import { type TlsServer, tlsServer } from '../support/tls-server.ts'

describe('signatures of webhooks', () => {
  const secret = newWebhookSecret()

  test('are those of Standard Webhooks', () => {
    // From its specification’s own examples.
    const headers = signWebhook({ id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1614265330, body: '{"test": 2432232314}' }, [
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    ])
    assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  test('verify as they were signed, with any of two secrets, and not when anything is changed', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), fc.string(), fc.string({ minLength: 1 }), (id, body, more) => {
        const old = newWebhookSecret()
        const headers: Record<string, string> = { ...signWebhook({ id, timestamp: 1_000, body }, [secret, old]) }
        for (const known of [[secret], [old], [newWebhookSecret(), old]]) {
          assert.equal(verifyWebhook(body, headers, known, { now: 1_000 }).id, id)
        }
        assert.throws(() => verifyWebhook(body, headers, [newWebhookSecret()], { now: 1_000 }), WebhookRefusedError)
        assert.throws(() => verifyWebhook(body + more, headers, [secret], { now: 1_000 }), WebhookRefusedError)
        assert.throws(() => verifyWebhook(body, { ...headers, 'webhook-id': id + more }, [secret], { now: 1_000 }), WebhookRefusedError)
        assert.throws(() => verifyWebhook(body, { ...headers, 'webhook-timestamp': '1001' }, [secret], { now: 1_000 }), WebhookRefusedError)
      }),
    )
  })

  test('of another time, or without their headers, are refused; and so is a secret that is none', () => {
    const headers = { ...signWebhook({ id: 'm', timestamp: 1_000, body: '' }, [secret]) }
    assert.throws(() => verifyWebhook('', headers, [secret], { now: 1_301 }), WebhookRefusedError)
    assert.throws(() => verifyWebhook('', headers, [secret], { now: 699 }), WebhookRefusedError)
    assert.throws(() => verifyWebhook('', {}, [secret], { now: 1_000 }), WebhookRefusedError)
    assert.throws(() => signWebhook({ id: 'm', timestamp: 1, body: '' }, ['whsec_short']), InvalidInputError)
  })
})

const refused = [
  ...['127.0.0.1', '127.8.8.8', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
  ...['100.100.100.200', '168.63.129.16', '192.0.0.192', '192.0.2.1', '198.18.0.1', '203.0.113.9', '224.0.0.1', '255.255.255.255'],
  ...[
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:a9fe:a9fe',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::808:808',
    '64:ff9b:1::1',
  ],
  ...[
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '2001:db8::1',
    '2001::1',
    '2002:7f00:1::',
    '100::1',
    '3fff::1',
  ],
]

describe('addresses', () => {
  const none = listOf([])
  for (const address of refused) test(`${address} is not the public’s`, () => assert.equal(isAllowedAddress(address, none), false))
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e']) {
    test(`${address} is`, () => assert.equal(isAllowedAddress(address, none), true))
  }

  test('that are allowed are allowed as they are, and not in other clothes', () => {
    const allowed = listOf(['127.0.0.0/8', 'fd00::/8'])
    for (const address of ['127.0.0.1', 'fd12::1']) assert.equal(isAllowedAddress(address, allowed), true)
    for (const address of ['10.0.0.1', '::ffff:127.0.0.1', '::1', 'fc00::1']) assert.equal(isAllowedAddress(address, allowed), false)
    for (const network of ['127.0.0.1', '10.0.0.0/33', 'example.com/8', '']) assert.throws(() => listOf([network]), ConfigurationError)
  })
})

describe('a webhook', () => {
  let server: TlsServer
  let answer: Parameters<typeof tlsServer>[0]
  const headers = signWebhook({ id: 'm-1', timestamp: 1_000, body: '{}' }, [newWebhookSecret()])
  const sender = (options: WebhookSenderOptions = {}) =>
    new WebhookSender({ allow: ['127.0.0.0/8'], ca: server.ca, resolve: async () => ['127.0.0.1'], ...options })
  const url = (path = '/hook', name = 'hooks.example.com'): string => `https://${name}:${server.port}${path}`

  before(async () => {
    server = await tlsServer((response, request) => {
      if (answer === undefined) response.writeHead(204).end()
      else answer(response, request)
    })
  })
  afterEach(() => {
    answer = undefined
    server.received.splice(0)
  })
  after(() => server.close())

  test('arrives, whole and signed, at the very address that its name was looked up for once', async () => {
    let lookups = 0
    const resolve = async (): Promise<readonly string[]> => {
      lookups += 1
      // The next one would lead elsewhere.
      return lookups === 1 ? ['127.0.0.1'] : ['127.0.0.2']
    }
    assert.deepEqual(await sender({ resolve }).send(url('/hook?a=1'), '{"ü":1}', headers), { status: 204 })
    assert.equal(lookups, 1)
    const [received] = server.received
    assert.deepEqual([received?.path, received?.body], ['/hook?a=1', '{"ü":1}'])
    assert.equal(received?.headers['webhook-id'], 'm-1')
    assert.equal(received?.headers['webhook-signature'], headers['webhook-signature'])
    assert.equal(received?.headers.host, `hooks.example.com:${server.port}`)
  })

  test('is not sent to what is not the public’s: by name, by number, in any spelling', async () => {
    const strict = sender({ allow: [] })
    await assert.rejects(strict.send(url(), '{}', headers), WebhookRefusedError)
    for (const name of ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.1.', '①②⑦.⓪.⓪.①']) {
      await assert.rejects(strict.send(url('/', name), '{}', headers), WebhookRefusedError, name)
    }
    await assert.rejects(sender({ allow: [], resolve: undefined }).check('https://localhost/'), WebhookRefusedError)
    for (const address of refused) {
      await assert.rejects(
        sender({ allow: [], resolve: async () => ['8.8.8.8', address] }).check('https://hooks.example.com/'),
        WebhookRefusedError,
      )
    }
    assert.deepEqual(server.received, [])
  })

  test('is not sent in the clear, to a user, or to no URL', async () => {
    for (const bad of [
      'http://hooks.example.com/',
      'https://u:p@hooks.example.com/',
      'ftp://a/',
      'nonsense',
      `https://a.example/${'x'.repeat(2_048)}`,
    ]) {
      await assert.rejects(sender().send(bad, '{}', headers), WebhookRefusedError)
    }
    await sender({ allowHttp: true }).check('http://hooks.example.com/')
  })

  test('does not follow a redirect', async () => {
    answer = (response) => response.writeHead(302, { location: url('/elsewhere') }).end()
    await assert.rejects(
      sender().send(url(), '{}', headers),
      (error: unknown) => error instanceof WebhookFailedError && error.details['status'] === 302,
    )
    assert.deepEqual(
      server.received.map(({ path }) => path),
      ['/hook'],
    )
  })

  test('has failed when the answer is not 2xx, the certificate is another’s, or nobody is there', async () => {
    answer = (response) => response.writeHead(500).end('secret')
    await assert.rejects(sender().send(url(), '{}', headers), WebhookFailedError)
    await assert.rejects(sender().send(url('/', 'other.example.com'), '{}', headers), WebhookFailedError)
    await assert.rejects(sender({ ca: undefined }).send(url(), '{}', headers), WebhookFailedError)
    await assert.rejects(sender().send('https://hooks.example.com:1/', '{}', headers), WebhookFailedError)
    await assert.rejects(sender({ resolve: async () => [] }).send(url(), '{}', headers), WebhookFailedError)
    await assert.rejects(sender({ resolve: () => Promise.reject(new RangeError('no')) }).send(url(), '{}', headers), WebhookFailedError)
  })

  test('is bounded in time, whatever is slow', async () => {
    const quick = sender({ timeoutMs: 150 })
    answer = () => {}
    await assert.rejects(quick.send(url(), '{}', headers), WebhookFailedError)
    answer = (response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('.'), 20)
      response.once('close', () => clearInterval(timer))
    }
    await assert.rejects(quick.send(url(), '{}', headers), WebhookFailedError)
    await assert.rejects(sender({ timeoutMs: 50, resolve: () => new Promise(() => {}) }).send(url(), '{}', headers), WebhookFailedError)
    const controller = new AbortController()
    const sent = sender().send(url(), '{}', headers, controller.signal)
    controller.abort()
    await assert.rejects(sent, WebhookFailedError)
  })

  test('is bounded in what comes back', async () => {
    let written = 0
    answer = (response) => {
      response.writeHead(200)
      const more = (): void => {
        if (response.destroyed) return
        written += 65_536
        response.write(Buffer.alloc(65_536), () => setImmediate(more))
      }
      more()
    }
    assert.deepEqual(await sender().send(url(), '{}', headers), { status: 200 })
    assert.ok(written < 50_000_000)
  })
})
