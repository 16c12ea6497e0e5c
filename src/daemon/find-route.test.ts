import assert from 'node:assert/strict';
import test from 'node:test';
import { routes } from './api/routes.ts';
import { findRoute, routeNames } from './find-route.ts';

test('each route is found by its method and path', () => {
  for (const name of routeNames) {
    const { method, path } = routes[name];
    assert.equal(findRoute(method, path.replaceAll(/:\w+/g, 'x'))?.name, name, `${method} ${path}`);
  }
});

test('parameters are decoded once, and what is no encoding stands for itself', () => {
  for (const [segment, vm] of [
    ['dev', 'dev'],
    ['a%20b', 'a b'],
    ['a%2Fb', 'a/b'],
    ['%2541', '%41'],
    ['100%', '100%'],
  ] as const)
    assert.deepEqual(findRoute('GET', `/v1/vms/${segment}`)?.parameters, { vm });
});

test('another method, path or ending is no route', () => {
  for (const [method, path] of [
    ['PATCH', '/v1/vms'],
    ['GET', '/v1/vms/'],
    ['GET', '/v1'],
    ['GET', '/v2/vms'],
    ['GET', '/v1/vms/dev/nothing'],
  ] as const)
    assert.equal(findRoute(method, path), null);
});
