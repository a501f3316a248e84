/* Functions by polynomials and Newton's method, from +, -, *, / of doubles alone: the same bits on every machine. */
#include "kit.h"

/* |x| <= pi/4, Taylor: the first term left out is below 1e-14. */
static double sine_near(double x)
{
    double s = x * x;
    return x * (1 - s * (1.0 / 6 - s * (1.0 / 120 - s * (1.0 / 5040 - s * (1.0 / 362880 - s * (1.0 / 39916800 - s * (1.0 / 6227020800.0)))))));
}
static double cosine_near(double x)
{
    double s = x * x;
    return 1 - s * (0.5 - s * (1.0 / 24 - s * (1.0 / 720 - s * (1.0 / 40320 - s * (1.0 / 3628800 - s * (1.0 / 479001600))))));
}

double sine(double x)
{
    double turns = x * (2 / PI);
    s32 quarter = DOWN(turns + 0.5);
    double rest = x - quarter * (PI / 2);
    switch (quarter & 3) {
    case 0: return sine_near(rest);
    case 1: return cosine_near(rest);
    case 2: return -sine_near(rest);
    default: return -cosine_near(rest);
    }
}

double cosine(double x) { return sine(x + PI / 2); }

double root(double x)
{
    double low = 1, guess;
    if (x <= 0)
        return 0;
    while (low * low > x)
        low /= 2;
    while (low * low * 4 <= x)
        low *= 2;
    guess = low * 1.4;
    for (int i = 0; i < 6; i++)
        guess = (guess + x / guess) / 2;
    return guess;
}

/* The fraction by its series, the whole part by doubling. */
double power_of_two(double x)
{
    s32 steps = DOWN(x);
    double part = (x - steps) * 0.69314718055994530942, term = 1, sum = 1;
    if (steps < -1000)
        return 0;
    for (int i = 1; i < 18; i++) {
        term = term * part / i;
        sum += term;
    }
    for (; steps > 0; steps--)
        sum *= 2;
    for (; steps < 0; steps++)
        sum /= 2;
    return sum;
}

double exponential(double x) { return power_of_two(x * 1.44269504088896340736); }

/* ln m = 2 artanh((m - 1) / (m + 1)) for m in [1, 2). */
double logarithm_of_two(double x)
{
    double whole = 0, ratio, square, sum = 0;
    if (x <= 0)
        return -1000;
    for (; x >= 2; whole++)
        x /= 2;
    for (; x < 1; whole--)
        x *= 2;
    ratio = (x - 1) / (x + 1);
    square = ratio * ratio;
    for (int i = 27; i > 0; i -= 2)
        sum = sum * square + 1.0 / i;
    return whole + 2 * ratio * sum * 1.44269504088896340736;
}
