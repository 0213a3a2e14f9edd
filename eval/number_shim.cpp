/* std::from_chars() for C. */
#include "eval/number_shim.h"

#include <charconv>

bool cz_number_parse(double *number, const char *text, size_t size) noexcept
{
    const auto result = std::from_chars(text, text + size, *number);
    return result.ec == std::errc() && result.ptr == text + size;
}
