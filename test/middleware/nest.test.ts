// NestJS on Express through the suite of all frameworks. Its decorators are called as the functions that they are.

import 'reflect-metadata'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Controller, type DynamicModule, Get, Module, Post, Req, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { Request, Response } from 'express'
import type { Admission } from '../../src/middleware/http.ts'
import { CurrentTenancy, useTenancy } from '../../src/middleware/nest.ts'
import { httpConformance, type TestRoutes } from './http-conformance.ts'

function applicationOf(routes: TestRoutes): DynamicModule {
  class Api {
    me(admission: Admission) {
      return { ...routes.who(), tenant: admission.tenant.slug }
    }
    health() {
      return routes.health()
    }
    echo(request: Request) {
      return routes.echo(request.body)
    }
    async fail(request: Request) {
      throw routes.fail(String(request.params['how']))
    }
    stream(response: Response) {
      Readable.from(routes.chunks()).pipe(response)
    }
    abort(response: Response) {
      response.on('close', () => routes.aborted())
    }
  }
  Controller()(Api)
  const route = (name: keyof Api & string, decorate: MethodDecorator, ...parameters: readonly ParameterDecorator[]) => {
    for (const [i, parameter] of parameters.entries()) parameter(Api.prototype, name, i)
    decorate(Api.prototype, name, Object.getOwnPropertyDescriptor(Api.prototype, name)!)
  }
  route('me', Get(['/api/me', '/t/:tenant/me', '/api/stray']), CurrentTenancy())
  route('health', Get(['/health', '/assets/*path']))
  route('echo', Post(['/api/documents', '/webhooks/:tenant']), Req())
  route('fail', Get('/api/fail/:how'), Req())
  route('stream', Get('/api/stream'), Res())
  route('abort', Get('/api/abort'), Res())
  class Application {}
  Module({})(Application)
  return { module: Application, controllers: [Api] }
}

httpConformance({
  name: 'NestJS',
  hasCallbacks: true,
  keepsHeaderLines: true,
  start: async (options, routes) => {
    const app = await NestFactory.create<NestExpressApplication>(applicationOf(routes), { logger: false, forceCloseConnections: true })
    await useTenancy(app, options)
    app.use('/api/stray', (_request: Request, _response: Response, next: () => void) => routes.stray(next))
    await app.listen(0, '127.0.0.1')
    return { port: (app.getHttpServer().address() as AddressInfo).port, close: () => app.close() }
  },
})
