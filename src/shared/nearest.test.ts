/** Suggestions for words that were not found. */
import { describe, expect, it } from 'vitest';
import { nearest, suggest } from './nearest.ts';

describe('nearest', () => {
  it('finds a word with a slip in it, and none for another word', () => {
    const known = ['mobilenet-v1', 'mobilenet-v2', 'bismo-cloud'];
    expect(nearest('moblienet-v2', known)).toBe('mobilenet-v2');
    expect(nearest('MobileNetV1', known)).toBe('mobilenet-v1');
    expect(nearest('bismo', known)).toBeNull(); // six of eleven characters are missing
    expect(nearest('resnet50', known)).toBeNull();
    expect(nearest('x', [])).toBeNull();
  });

  it('ends a sentence with what is known', () => {
    expect(suggest('fashion-mnst', ['fashion-mnist', 'generated'])).toBe('known: fashion-mnist, generated; did you mean fashion-mnist?');
    expect(suggest('cifar', ['generated'])).toBe('known: generated');
    expect(suggest('cifar', [])).toBe('none is known');
  });
});
