import { expect } from 'chai';
import { pathTemplate, queryText } from '@ferrule/core/adapter';

describe('path templates of outbound requests', () => {
  const fits: readonly (readonly [string, Record<string, string | number | boolean> | undefined, string])[] = [
    ['/', undefined, '/'],
    ['/orders', undefined, '/orders'],
    ['/orders/', undefined, '/orders/'],
    ['/orders/:id', { id: 42 }, '/orders/42'],
    ['/orders/:id', { id: 'a/b' }, '/orders/a%2Fb'],
    ['/orders/:id', { id: '//evil.example' }, '/orders/%2F%2Fevil.example'],
    ['/orders/:id', { id: 'a?b#c' }, '/orders/a%3Fb%23c'],
    ['/orders/:id', { id: '%2e%2e' }, '/orders/%252e%252e'],
    ['/orders/:id', { id: '@evil' }, '/orders/%40evil'],
    ['/orders/:id', { id: '\r\nx: y' }, '/orders/%0D%0Ax%3A%20y'],
    ['/orders/:id', { id: '用户' }, '/orders/%E7%94%A8%E6%88%B7'],
    ['/orders/:id', { id: '...' }, '/orders/...'],
    ['/:a-:b/x', { a: 1, b: true }, '/1-true/x'],
    ['/v1:2/x', undefined, '/v1:2/x'],
    ['/files/*', { '*': 'a/b c' }, '/files/a/b%20c'],
  ];
  for (const [template, params, path] of fits) {
    it(`fill ${template} with ${JSON.stringify(params)} as ${path}`, () => expect(pathTemplate(template).fill(params)).to.equal(path));
  }

  const refused: readonly (readonly [string, Record<string, unknown> | undefined, RegExp])[] = [
    ['/orders/:id', undefined, /parameter 'id' is missing/],
    ['/orders/:id', { id: undefined }, /parameter 'id' is missing/],
    ['/orders/:id', { id: 1, other: 2 }, /no parameter 'other'. It has id/],
    ['/orders', { id: 1 }, /no parameter 'id'. It has none/],
    ['/orders/:id', { id: '' }, /parameter 'id' is empty/],
    ['/orders/:id', { id: '.' }, /'\.', which would climb/],
    ['/orders/:id', { id: '..' }, /'\.\.', which would climb/],
    ['/orders/:a:b', { a: '.', b: '.' }, /which would climb/],
    ['/orders/:a.', { a: '.' }, /which would climb/],
    ['/orders/:id', { id: {} }, /parameter 'id' is object/],
    ['/orders/:id', { id: null }, /parameter 'id' is null/],
    ['/orders/:id', { id: NaN }, /parameter 'id' is NaN/],
    ['/orders/:id', { id: '\ud800' }, /lone surrogate/],
    ['/files/*', { '*': 'a/../b' }, /would be another path/],
    ['/files/*', { '*': 'a//b' }, /would be another path/],
    ['/files/*', { '*': '%2e%2e/b' }, /would be another path/],
    ['/toString/:constructor', {}, /'constructor' is missing/],
  ];
  for (const [template, params, message] of refused) {
    it(`refuse ${template} with ${JSON.stringify(params)}`, () => {
      expect(() => pathTemplate(template).fill(params as Record<string, string>)).to.throw(TypeError, message);
    });
  }

  for (const template of [
    '',
    'orders',
    '//evil',
    '/\\evil',
    'http://evil/x',
    '/a?b',
    '/a#b',
    '/a b',
    '/a/../b',
    '/a/./b',
    '/a/%2e%2e/b',
    '/a/.%2E',
    '/*/a',
    '/a*b',
    '/:a/:a',
    '/a\r\nb',
    '/ü',
  ]) {
    it(`refuse the template ${JSON.stringify(template)}`, () => expect(() => pathTemplate(template)).to.throw(TypeError, /[Pp]ath/));
  }

  it('encode a query, repeat arrays and leave undefined out', () => {
    expect(queryText({ q: 'a&b=c', n: [1, 2], no: undefined, yes: true, 'ke y': 'ü' })).to.equal('q=a%26b%3Dc&n=1&n=2&yes=true&ke%20y=%C3%BC');
    expect(queryText('?a=1')).to.equal('a=1');
    expect(queryText(undefined)).to.equal('');
    expect(() => queryText('a=1#b')).to.throw(TypeError, /not encoded/);
    expect(() => queryText('a=1\r\nb')).to.throw(TypeError, /not encoded/);
    expect(() => queryText({ a: {} as string })).to.throw(TypeError, /query 'a' is object/);
  });
});
